"""Request parameters in an error's text, without secrets (contract: scim 1.7). Pure."""

import re
from collections.abc import Mapping
from typing import Any

FILTERED = "[FILTERED]"
LONGEST = 4000
_SECRET = re.compile(r"password|secret|(token|key)\Z", re.IGNORECASE)


def inspected(value: Any) -> str:
    """A value as Ruby prints it, cut where no person reads on."""
    text = _inspected(value)
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


def _inspected(value: Any) -> str:
    match value:
        case None:
            return "nil"
        case bool():
            return "true" if value else "false"
        case str():
            escaped = value.replace("\\", "\\\\").replace('"', '\\"')
            return f'"{escaped}"'
        case Mapping():
            return "{" + ", ".join(f'"{name}"=>{_masked(str(name), item)}' for name, item in value.items()) + "}"
        case list() | tuple():
            return "[" + ", ".join(_inspected(item) for item in value) + "]"
        case _:
            return str(value)


def _masked(name: str, value: Any) -> str:
    return f'"{FILTERED}"' if _SECRET.search(name) else _inspected(value)
