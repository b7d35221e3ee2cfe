"""The seed file that would rebuild the present state, secrets left out: the other direction of the engine.

Each app registers what it can tell: sections with their rows, and keys inside others' entries, as it does for loading. Rows are
read and written in batches, with a fixed number of statements each, so that time grows with the rows and memory does not.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, TypeVar

from django.db.models import Model, QuerySet

from internal_api.registrations import load_registrations
from internal_api.seeding.writers import Writer
from internal_api.stored_json import UnreadableJSON
from internal_api.stored_values import InvalidValueError

BATCH = 500
_Row = TypeVar("_Row", bound=Model)

Values = dict[str, Any]
Rows = Callable[[], Iterable[Sequence[tuple[Any, Values]]]]
"""The rows of a section in batches, each row with what its own columns say."""
KeyValues = Callable[[Sequence[Any]], Mapping[Any, Any]]
"""What a key says for each of these rows, by the row's primary key; rows with nothing to say are left out."""
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class SectionDump:
    """A section: `count` tells how many entries it will have. `name` is `section`, or `section.key` for a list in a mapping."""

    name: str
    order: int
    rows: Rows
    count: Callable[[], int]
    many: bool = True


@dataclass
class _Dumps:
    sections: dict[str, SectionDump] = field(default_factory=dict)
    keys: dict[str, dict[str, KeyValues]] = field(default_factory=dict)


_dumps = _Dumps()


def register_section_dump(section: SectionDump) -> None:
    """Make a section known; those of a lower order come first."""
    _dumps.sections[section.name] = section


def register_key_dump(section: str, name: str, values: KeyValues) -> None:
    """Make a key inside a section's entries known; an empty value is left out."""
    _dumps.keys.setdefault(section, {})[name] = values


def dump(writer: Writer, progress: Progress) -> None:
    """Write the document, and tell how far it is after each batch."""
    load_registrations("dumps")
    for section in sorted(_dumps.sections.values(), key=lambda section: section.order):
        done, total = 0, section.count()
        for batch in section.rows():
            entries = _entries(section.name, batch)
            writer.entries(section.name, entries, many=section.many)
            done += len(entries)
            progress(section.name, done, max(done, total))
    writer.end()


def _entries(section: str, batch: Sequence[tuple[Any, Values]]) -> list[Values]:
    rows = [row for row, _ in batch]
    below = {name: values(rows) for name, values in _dumps.keys.get(section, {}).items()}
    entries = []
    for row, values in batch:
        said = {name: found[row.pk] for name, found in below.items() if found.get(row.pk)}
        entries.append(plain({**values, **said}))
    return entries


def in_batches(rows: QuerySet[_Row], key: str = "pk") -> Iterator[list[_Row]]:
    """Yield the rows in the order of a column without duplicates, some with each statement; `key` may go through a relation."""
    batch = list(rows.order_by(key)[:BATCH])
    while batch:
        yield batch
        last: Any = batch[-1]
        for name in key.split("__"):
            last = getattr(last, name)
        batch = list(rows.filter(**{f"{key}__gt": last}).order_by(key)[:BATCH]) if len(batch) == BATCH else []


def grouped(pairs: Iterable[tuple[int | None, Any]]) -> dict[int, list[Any]]:
    """What belongs to each owner, in the order given, from pairs of an owner's id and what belongs to it."""
    found: dict[int, list[Any]] = {}
    for owner, value in pairs:
        if owner is not None:
            found.setdefault(owner, []).append(value)
    return found


def plain(value: Any) -> Any:
    """A value as YAML and JSON write it."""
    if isinstance(value, dict):
        return {str(name): plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, str):
        return str(value)
    return value.isoformat() if isinstance(value, datetime | date) else value


def columns(row: Any, *names: str) -> Values:
    """These columns of a row under their own names. Raises InvalidValueError for one that cannot be read."""
    values = {name: getattr(row, name) for name in names}
    for name, value in values.items():
        if isinstance(value, UnreadableJSON):
            where = f"{row._meta.db_table}.{name} of row {row.pk}"  # noqa: SLF001  Django's public name for it
            raise InvalidValueError(where, f"{value.problem}; correct it first, on the admin site or by a seed file")
    return values
