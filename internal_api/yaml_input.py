"""Reading YAML that an administrator has typed or a file brought: bounded, and such that it can be answered and stored."""

from collections.abc import Iterable
from typing import Any

import yaml

from internal_api.json_input import MAX_DEPTH, InvalidJSONError, refuse_unstorable_text

MAX_LENGTH = 2**20
MAX_NODES = 50_000
"""Values with all aliases followed: a text of one screen can name billions."""


MALFORMED = (yaml.YAMLError, RecursionError, ValueError, TypeError, LookupError, AttributeError, OverflowError)
"""What PyYAML raises for a text: `!!bool abc` is a KeyError, `!!timestamp abc` an AttributeError, `!!int ''` an IndexError."""
LARGEST_NUMBER = 2**63 - 1


class InvalidYAMLError(ValueError):
    """The reason as a predicate, for a sentence about what was read."""


def decode_mapping(content: str) -> dict[Any, Any]:
    """Return the mapping in a text of YAML. Raises InvalidYAMLError."""
    value = decode(content)
    if not isinstance(value, dict):
        raise InvalidYAMLError("is not a mapping")
    return value


def decode(content: str) -> Any:
    """Return the value in a text of YAML. Raises InvalidYAMLError."""
    if len(content) > MAX_LENGTH:
        raise InvalidYAMLError("is too long")
    try:
        value = yaml.safe_load(content)
    except MALFORMED:
        raise InvalidYAMLError("cannot be read as YAML") from None
    _refuse_unbounded(value)
    return value


def _refuse_unbounded(value: object) -> None:
    level: list[object] = [value]
    seen = 0
    for _ in range(MAX_DEPTH):
        seen += len(level)
        if seen > MAX_NODES:
            raise InvalidYAMLError("has too many values")
        for item in level:
            if isinstance(item, str):
                _refuse_unstorable(item)
            elif isinstance(item, int) and abs(item) > LARGEST_NUMBER:
                raise InvalidYAMLError("has a number of more than 64 bits")
        level = [child for item in level for child in _children(item)]
        if not level:
            return
    raise InvalidYAMLError("is nested too deeply")


def _refuse_unstorable(text: str) -> None:
    try:
        refuse_unstorable_text(text)
    except InvalidJSONError as error:
        raise InvalidYAMLError(str(error)) from None


def _children(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        return [*item.keys(), *item.values()]
    return item if isinstance(item, list | tuple | set) else ()
