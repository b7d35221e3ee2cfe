"""Reading the YAML that seed files are made of, five times faster than PyYAML and without its nodes in memory.

libyaml tells the events, and values are made of them as they come. What seed files rarely have (anchors, merge keys, tags, several
documents) and whatever is wrong is left to PyYAML, which then also says where it is wrong.
"""

from collections.abc import Callable
from typing import Any, TextIO

import yaml
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from internal_api.seeding.spooled import Spooled

MOST_LEVELS = 50
SECTION = 2
"""The level of the lists of the sections, which may have very many entries."""
SHORT = 16
_KEPT, _LONGEST_KEPT = 20_000, 40
"""How many values of scalars are kept for the next one that is written alike, and how long these may be."""
_NO_KEY = object()


class UnusualError(Exception):
    """The text is not this simple, or not YAML."""


def parse(text: str | TextIO) -> Any:
    """Return the only document of a text or a file; a section's entries are `Spooled` where they are many. Raises UnusualError."""
    if not yaml.__with_libyaml__:
        raise UnusualError
    from yaml._yaml import CParser  # noqa: PLC0415  there is none where PyYAML was built without libyaml

    try:
        return _Reader(CParser(text).get_event).document()
    except (yaml.YAMLError, ValueError, TypeError, LookupError, AttributeError, OverflowError) as error:
        raise UnusualError from error


def _opened(event: Any, depth: int) -> Any:
    """Return the list or the mapping that begins."""
    if event.__class__ is yaml.AliasEvent or event.anchor is not None or event.tag is not None or depth > MOST_LEVELS:
        raise UnusualError
    if event.__class__ is yaml.MappingStartEvent:
        return {}
    return Spooled() if depth == SECTION else []


class _Reader:
    """Makes values of events."""

    def __init__(self, next_event: Callable[[], yaml.Event | None]) -> None:
        self._next = next_event
        self._constructor = SafeConstructor()
        self._resolvers = Resolver.yaml_implicit_resolvers
        self._values: dict[str, Any] = {}
        self._keys: dict[Any, Any] = {}
        """Each key and each short string once: most are written with many entries."""

    def document(self) -> Any:
        self._next()  # the stream begins
        if isinstance(self._next(), yaml.StreamEndEvent):
            return None
        value = self._value()
        self._next()  # the document ends
        if not isinstance(self._next(), yaml.StreamEndEvent):
            raise UnusualError
        return value

    def _value(self) -> Any:
        """Read one value with all that is in it; no recursion, since a call costs more than an event."""
        stack: list[tuple[Any, Any]] = []
        inside, key = [], _NO_KEY  # type: tuple[Any, Any]
        while True:
            event: Any = self._next()
            kind = event.__class__
            if kind is yaml.ScalarEvent:
                value = self._scalar(event)
            elif kind is yaml.MappingEndEvent or kind is yaml.SequenceEndEvent:
                value = inside if inside.__class__ is not Spooled else inside.settled()
                inside, key = stack.pop()
            else:
                stack.append((inside, key))
                inside, key = _opened(event, len(stack)), _NO_KEY
                continue
            if inside.__class__ is not dict:
                inside.append(value)
                if not stack:
                    return value
            elif key is _NO_KEY:
                key = self._key(value, inside)
            else:
                inside[key] = value
                key = _NO_KEY

    def _key(self, value: Any, inside: dict[Any, Any]) -> Any:
        key = self._keys.setdefault(value, value)
        if key in inside or key.__class__ is not value.__class__:  # given twice; or 1 after true, which are equal
            raise UnusualError
        return key

    def _scalar(self, event: Any) -> Any:
        if event.anchor is not None or event.tag is not None:
            raise UnusualError
        text: str = event.value
        if not event.implicit[0] or text[:1] not in self._resolvers:
            return self._keys.setdefault(text, text) if len(text) <= SHORT else text
        try:
            return self._values[text]
        except KeyError:
            value = self._resolved(text)
            if len(self._values) < _KEPT and len(text) <= _LONGEST_KEPT:
                self._values[text] = value
            return value

    def _resolved(self, text: str) -> Any:
        """Return what a plain scalar is: a string, unless it looks like something else."""
        for tag, pattern in self._resolvers[text[:1]]:
            if pattern.match(text):
                make = self._constructor.yaml_constructors.get(tag)
                if make is None or not tag.endswith((":bool", ":int", ":float", ":null", ":timestamp")):
                    raise UnusualError
                return make(self._constructor, yaml.ScalarNode(tag, text))
        return text
