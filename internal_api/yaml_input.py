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
LONGEST_NUMBER = 1000
"""Characters of a number with its signs, underscores and colons."""
_NUMBERS = frozenset({"tag:yaml.org,2002:int", "tag:yaml.org,2002:float"})
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml's, which PyYAML has where it was built with it: a tenth of the time."""


class InvalidYAMLError(ValueError):
    """The reason as a predicate, for a sentence about what was read."""


def decode_mapping(content: str) -> dict[Any, Any]:
    """Return the mapping in a text of YAML. Raises InvalidYAMLError."""
    value = decode(content)
    if not isinstance(value, dict):
        raise InvalidYAMLError("is not a mapping")
    return value


def decode(content: str) -> Any:
    """Return the value in a text of YAML. Raises InvalidYAMLError.

    The text is parsed twice: once to count, since libyaml's composer ends the process at thousands of levels, and constructing
    can take hours (aliases of aliases, merged mappings, numbers in base 60).
    """
    if len(content) > MAX_LENGTH:
        raise InvalidYAMLError("is too long")
    try:
        _Counter().count(yaml.parse(content, Loader=_LOADER))
        loader = _LOADER(content)
        try:
            value = loader.get_single_data()
        finally:
            loader.dispose()
    except InvalidYAMLError:
        raise
    except MALFORMED:
        raise InvalidYAMLError("cannot be read as YAML") from None
    _refuse_unbounded(value)
    return value


class _Counter:
    """Counts the values of a text with all aliases followed, before anything is made of them."""

    def __init__(self) -> None:
        self.number = 0
        self.sizes: dict[str, int] = {}
        self.opened: list[tuple[str | None, int]] = []

    def count(self, events: Iterable[yaml.Event]) -> None:
        """Raise InvalidYAMLError at the first value that is too many, too deep or too long."""
        for event in events:
            match event:
                case yaml.ScalarEvent():
                    _refuse_long_number(event)
                    self._add(1, event.anchor)
                case yaml.AliasEvent():
                    self._add(self.sizes.get(event.anchor or "", 1))
                case yaml.CollectionStartEvent():
                    self.opened.append((event.anchor, self.number))
                    self._add(1)
                case yaml.CollectionEndEvent():
                    anchor, before = self.opened.pop()
                    if anchor is not None:
                        self.sizes[anchor] = self.number - before
                case _:
                    pass

    def _add(self, number: int, anchor: str | None = None) -> None:
        self.number += number
        if anchor is not None:
            self.sizes[anchor] = number
        if self.number > MAX_NODES:
            raise InvalidYAMLError("has too many values")
        if len(self.opened) > MAX_DEPTH:
            raise InvalidYAMLError("is nested too deeply")


def _refuse_long_number(event: yaml.ScalarEvent) -> None:
    """Reading a number takes time that grows with the square of its length, in base 60 (`1:59:59`) more than that."""
    if len(event.value) <= LONGEST_NUMBER:
        return
    if event.tag in _NUMBERS or (event.tag is None and event.implicit[0] and event.value[0] in "+-.0123456789" and " " not in event.value):
        raise InvalidYAMLError("has a number of more than 64 bits")


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
