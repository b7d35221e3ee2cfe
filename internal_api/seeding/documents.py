"""Reading seed files: YAML, of which JSON is a part, without duplicate keys."""

import json
from collections.abc import Hashable
from contextlib import suppress
from io import StringIO
from typing import Any, TextIO

import yaml
from yaml.composer import Composer
from yaml.constructor import SafeConstructor
from yaml.resolver import Resolver

from internal_api.seeding import simple_yaml
from internal_api.seeding.entries import SeedError, mapping
from internal_api.yaml_input import MALFORMED

_HEAD = 1000
_MERGE = "tag:yaml.org,2002:merge"

if yaml.__with_libyaml__:
    from yaml._yaml import CParser

    class _Loader(Composer, SafeConstructor, Resolver, CParser):
        """libyaml reads the text, three times faster than Python, and PyYAML's composer builds the nodes.

        libyaml's own composer would end the process where a text is nested too deeply.
        """

        def __init__(self, stream: str) -> None:
            CParser.__init__(self, stream)
            Composer.__init__(self)
            SafeConstructor.__init__(self)
            Resolver.__init__(self)

else:  # PyYAML was built without it

    class _Loader(yaml.SafeLoader):  # type: ignore[no-redef]
        """PyYAML's own in Python."""


def _unique_mapping(loader: Any, node: yaml.MappingNode) -> dict[Any, Any]:
    pairs = list(node.value)
    has_merge = any(key.tag == _MERGE for key, _ in pairs)
    if has_merge:
        _refuse_duplicates(loader, pairs)
    found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    if len(found) != len(pairs) and not has_merge:
        _refuse_duplicates(loader, pairs)
    return found


def _refuse_duplicates(loader: Any, pairs: list[tuple[yaml.Node, yaml.Node]]) -> None:
    seen: set[Hashable] = set()
    for node in (node for node, _ in pairs if node.tag != _MERGE):
        key = loader.construct_object(node, deep=True)
        if isinstance(key, Hashable):
            if key in seen:
                raise SeedError(f"line {node.start_mark.line + 1}", f"the key {key!r} is given twice")
            seen.add(key)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def parse(content: str) -> dict[str, Any]:
    """Return the document in a text. Raises SeedError."""
    return read(StringIO(content))


def read(file: TextIO) -> dict[str, Any]:
    """Return the document in a file that can be read twice. Raises SeedError.

    Of YAML that is as simple as dumps are, only some entries are in memory at a time.
    """
    try:
        document = _document(file)
    except yaml.YAMLError as error:
        raise SeedError("", f"is not YAML: {' '.join(str(error).split())}") from error
    except MALFORMED as error:
        raise SeedError("", "cannot be read: a value is malformed or nested too deeply") from error
    return mapping(document if document is not None else {}, "")


def _document(file: TextIO) -> Any:
    head = file.read(_HEAD)
    file.seek(0)
    content = None
    if head.lstrip()[:1] == "{":
        content = file.read()
        if (document := _json(content)) is not None:
            return document
        file.seek(0)
    with suppress(simple_yaml.UnusualError):
        return simple_yaml.parse(file)
    file.seek(0)
    loader: Any = _Loader
    return yaml.load(content or file.read(), Loader=loader)  # noqa: S506  made of the safe loader's parts


def _json(content: str) -> dict[str, Any] | None:
    """The document in a text of JSON; None for what is not quite JSON, of which YAML knows more and says where it is wrong."""
    try:
        found: dict[str, Any] = json.loads(content, object_pairs_hook=_unique_object, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    return found


def _unique_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError
    return found


def _no_constant(name: str) -> None:
    """NaN and Infinity are not JSON."""
    raise ValueError(name)
