"""The seed file that would rebuild the present state, secrets left out: the other direction of the engine.

Each app registers what it can tell: sections with their rows, and keys inside others' entries, as it does for loading.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from internal_api.registrations import load_registrations
from internal_api.stored_json import UnreadableJSON
from internal_api.stored_values import InvalidValueError

Rows = Callable[[], Iterable[tuple[Any, dict[str, Any]]]]
"""The rows of a section, each with what its own columns say."""


@dataclass
class _Dumps:
    sections: dict[str, tuple[int, Rows, bool]] = field(default_factory=dict)
    keys: dict[str, dict[str, Callable[[Any], Any]]] = field(default_factory=dict)


_dumps = _Dumps()


def register_section_dump(name: str, order: int, rows: Rows, *, many: bool = True) -> None:
    """Make a section known; those of a lower order come first."""
    _dumps.sections[name] = (order, rows, many)


def register_key_dump(section: str, name: str, value: Callable[[Any], Any]) -> None:
    """Make a key inside a section's entries known; an empty value is left out."""
    _dumps.keys.setdefault(section, {})[name] = value


def dump() -> dict[str, Any]:
    """The document."""
    load_registrations("dumps")
    document: dict[str, Any] = {}
    for name, (_, rows, many) in sorted(_dumps.sections.items(), key=lambda item: item[1][0]):
        entries = [_entry(name, row, values) for row, values in rows()]
        if entries:
            document[name] = entries if many else entries[0]
    return document


def _entry(section: str, row: Any, values: dict[str, Any]) -> dict[str, Any]:
    below = {name: value(row) for name, value in _dumps.keys.get(section, {}).items()}
    return {name: plain(value) for name, value in {**values, **{name: value for name, value in below.items() if value}}.items()}


def plain(value: Any) -> Any:
    """A value as YAML and JSON write it."""
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return str(value) if isinstance(value, str) else value


def columns(row: Any, *names: str) -> dict[str, Any]:
    """These columns of a row under their own names. Raises InvalidValueError for one that cannot be read."""
    values = {name: getattr(row, name) for name in names}
    for name, value in values.items():
        if isinstance(value, UnreadableJSON):
            where = f"{row._meta.db_table}.{name} of row {row.pk}"  # noqa: SLF001  Django's public name for it
            raise InvalidValueError(where, f"{value.problem}; correct it first, on the admin site or by a seed file")
    return values
