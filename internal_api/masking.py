"""What the audit log never holds: secrets inside values that may be shown otherwise."""

import re
from typing import Any

MASK = "[masked]"
LONGEST_TEXT = 2000
MOST_ITEMS = 100
_TOKEN = re.compile(r"gl(?:pat|agent|soat|et)-[\w-]{8,}|eyJ[\w-]{10,}\.[\w.-]+", re.ASCII)
_USERINFO = re.compile(r"(?<=://)[^/@\s]*@", re.ASCII)
_QUERY = re.compile(r"\?[^#\s]*", re.ASCII)
_QUERY_VALUE = re.compile(r"=[^&;#]*")
_SECRET_NAME = re.compile(r"password|secret|token|digest|private_key|client_key|code_", re.IGNORECASE | re.ASCII)


def is_secret_name(name: str) -> bool:
    """Whether a column or key of that name holds a secret."""
    return _SECRET_NAME.search(name) is not None


def masked(value: Any) -> Any:
    """Return a value of JSON's types without secrets: tokens, credentials and query values of URLs; and not longer than a page."""
    if isinstance(value, str):
        return _masked_text(value)
    if isinstance(value, dict):
        shown = {str(key): MASK if is_secret_name(str(key)) and isinstance(item, str) else masked(item) for key, item in value.items()}
        return dict(list(shown.items())[:MOST_ITEMS])
    if isinstance(value, list | tuple):
        return [masked(item) for item in value[:MOST_ITEMS]]
    return value


def _masked_text(text: str) -> str:
    text = _TOKEN.sub(MASK, text)
    if "://" in text:
        text = _masked_url(text)
    return f"{text[:LONGEST_TEXT]}... ({len(text)} characters)" if len(text) > LONGEST_TEXT else text


def _masked_url(text: str) -> str:
    return _QUERY.sub(lambda query: _QUERY_VALUE.sub(f"={MASK}", query[0]), _USERINFO.sub(f"{MASK}@", text))
