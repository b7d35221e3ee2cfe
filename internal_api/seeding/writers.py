"""Writing a seed file piece by piece, as YAML or as JSON: the same text as if the whole document were written at once."""

import json
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

import yaml

Write = Callable[[str], object]
_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
"""libyaml's where PyYAML was built with it: eight times faster."""


class Writer:
    """Takes the entries of sections in their order, a section's in any number of pieces.

    A section's name is `section`, or `section.key` for a list of many entries in a mapping with nothing else in it.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._present = ""

    def entries(self, section: str, entries: Sequence[dict[str, Any]], *, many: bool) -> None:
        """Write entries of a section; one that is not `many` has one entry, the mapping itself."""
        raise NotImplementedError

    def end(self) -> None:
        """Write what closes the document."""
        raise NotImplementedError


class YAMLWriter(Writer):
    """Block style, keys in the order given."""

    def entries(self, section: str, entries: Sequence[dict[str, Any]], *, many: bool) -> None:
        if not many:
            self._write(_yaml({section: entries[0]}))
            return
        *above, key = section.split(".")
        indent = "  " * len(above)
        if section != self._present:
            self._present = section
            self._write("".join(f"{'  ' * depth}{name}:\n" for depth, name in enumerate([*above, key])))
        self._write(textwrap.indent(_yaml(list(entries)), indent))

    def end(self) -> None:
        """Nothing closes a document in block style."""


def _yaml(value: Any) -> str:
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)
    return text


class JSONWriter(Writer):
    """Indented by two."""

    _close = ""

    def entries(self, section: str, entries: Sequence[dict[str, Any]], *, many: bool) -> None:
        names = section.split(".")
        if section != self._present:
            self._write(f"{self._close},\n" if self._present else "{\n")
            for depth, name in enumerate(names, 1):
                opening = ("[" if many else "") if depth == len(names) else "{"
                self._write(f"{'  ' * depth}{json.dumps(name)}: {opening}" + ("\n" if opening else ""))
            self._close = (
                "".join(f"\n{'  ' * depth}" + ("]" if depth == len(names) else "}") for depth in range(len(names), 0, -1)) if many else ""
            )
        else:
            self._write(",\n")
        self._present = section
        if not many:
            self._write(textwrap.indent(json.dumps(entries[0], indent=2), "  ").lstrip())
            return
        self._write(",\n".join(textwrap.indent(json.dumps(entry, indent=2), "  " * (len(names) + 1)) for entry in entries))

    def end(self) -> None:
        self._write(f"{self._close}\n}}\n" if self._present else "{}\n")
