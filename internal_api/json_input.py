"""The one decoder of JSON that comes from outside: request bodies, JSON inside their strings, answers of other services.

What it returns can be stored in PostgreSQL as text, jsonb or bigint and encoded again as JSON (contract: decisions 4a, 5).
"""

import json
import math
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 100
"""Levels of lists and objects; the deepest body of a client has six."""
MAX_EMBEDDED_LENGTH = 8 * 2**20
"""Characters of JSON inside a string: the largest body of kas, the only caller that sends files so (contract: decisions 4)."""
LARGEST_INTEGER = 2**63 - 1
SMALLEST_INTEGER = -(2**63)
_LONGEST_INTEGER = len(str(SMALLEST_INTEGER))


class InvalidJSONError(ValueError):
    """The reason as a predicate, such as `is nested too deeply`, for a sentence about what was decoded."""


def decode_body(body: bytes) -> Any:
    """Return the value in a request's body. The integers in it are of any size: each endpoint says what it makes of them.

    Raises InvalidJSONError.
    """
    return _decoded(_BODY, body)


def decode_embedded(content: str | bytes) -> Any:
    """Return the value in a string, a base64 value or an answer of another service. Raises InvalidJSONError.

    Unlike a body's, its integers have 64 bits: it is read by code that knows nothing of requests, or stored as it is.
    """
    if len(content) > MAX_EMBEDDED_LENGTH:
        raise InvalidJSONError("is too long")
    return _decoded(_EMBEDDED, content)


def decode_stored(text: str, *, has_large_integers: bool = False) -> Any:
    """Return the value in a JSON column, which raw SQL may have written. Raises InvalidJSONError.

    PostgreSQL has no limit for the digits of a number, and thousands of levels of nesting. What bodies brought may have integers of
    more than 64 bits.
    """
    return _decoded(_BODY if has_large_integers else _EMBEDDED, text, is_storable=True)


def decode_quoted(token: str) -> str:
    """Return the text of a JSON string with its quotes, such as a SCIM filter's value. Raises InvalidJSONError.

    Control characters need no escape, since clients do not escape them.
    """
    return str(_decoded(_QUOTED, token))


def refuse_unstorable_text(text: str) -> None:
    """Raise InvalidJSONError for text that PostgreSQL does not store."""
    if "\x00" in text:
        raise InvalidJSONError("holds a NUL character")
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidJSONError("holds half of a surrogate pair") from None


def _decoded(decoder: json.JSONDecoder, content: str | bytes, *, is_storable: bool = False) -> Any:
    try:
        text = content.decode() if isinstance(content, bytes) else content
    except UnicodeDecodeError:
        raise InvalidJSONError("is not UTF-8") from None
    try:
        value = decoder.decode(text)
    except InvalidJSONError:
        raise
    except RecursionError:
        raise InvalidJSONError("is nested too deeply") from None
    except ValueError:  # an integer of thousands of digits is one too
        raise InvalidJSONError("is not valid JSON") from None
    is_valid_unicode = is_storable or isinstance(content, bytes)
    if not is_valid_unicode or "\\u" in text or text.count("[") + text.count("{") > MAX_DEPTH:
        _refuse_unstorable(value)  # in valid Unicode, an escape is the only way to a lone surrogate or a NUL
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise InvalidJSONError("gives a key twice")
    return values


def _no_constant(name: str) -> None:
    raise InvalidJSONError(f"holds {name}, which is not JSON")


def _finite(digits: str) -> float:
    """`1e999` is JSON, and infinity to Python, which cannot be encoded again."""
    value = float(digits)
    if not math.isfinite(value):
        raise InvalidJSONError("holds a number that is too large")
    return value


def _integer(digits: str) -> int:
    if len(digits) <= _LONGEST_INTEGER and SMALLEST_INTEGER <= (value := int(digits)) <= LARGEST_INTEGER:
        return value
    raise InvalidJSONError("holds a number that is too large")


def _refuse_unstorable(value: object) -> None:
    level: list[object] = [value]
    for _ in range(MAX_DEPTH + 1):
        for item in level:
            if isinstance(item, str):
                refuse_unstorable_text(item)
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise InvalidJSONError("is nested too deeply")


def _children(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list) else ()


_BODY = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite)
_EMBEDDED = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite, parse_int=_integer)
_QUOTED = json.JSONDecoder(parse_constant=_no_constant, parse_int=_integer, strict=False)
