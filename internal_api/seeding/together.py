"""Loading many entries with a fixed number of queries: rows are compared in memory, and written together at the end.

A batch that cannot be loaded this way raises, keeps nothing, and is loaded one by one: that knows what is wrong and where.
"""

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model
from django.utils import timezone

from internal_api.seeding.entries import Entry
from internal_api.seeding.registry import TogetherError
from internal_api.seeding.report import Report
from internal_api.stored_values import validate_fields

Values = dict[str, Any]


def create_rows(rows: Sequence[Model]) -> None:
    """Validate and insert rows of one model. Raises InvalidValueError, or IntegrityError for what is taken."""
    for row in rows:
        validate_fields(row)
    insert_rows(rows)


def insert_rows(rows: Sequence[Model]) -> None:
    """Insert rows of one model."""
    if rows:
        type(rows[0])._default_manager.bulk_create(rows)  # noqa: SLF001  Django's public name for it


@dataclass
class Changes:
    """Changes of rows of one model; `kind` is what the report calls them, empty for what it does not count."""

    report: Report
    kind: str = ""
    _rows: dict[Hashable, tuple[Model, Values]] = field(default_factory=dict)

    def add(self, row: Any, values: Values) -> bool:
        """Set what differs, and validate it; return whether anything did. Raises InvalidValueError, TogetherError."""
        changed = {name: value for name, value in values.items() if getattr(row, name) != value}
        if self.kind:
            self.report.changed(self.kind, bool(changed))
        if not changed:
            return False
        if row.pk in self._rows:
            raise TogetherError
        for name, value in changed.items():
            setattr(row, name, value)
        validate_fields(row, changed)
        self._rows[row.pk] = (row, changed)
        return True

    def write(self) -> None:
        """Write what was added: rows whose changes are of the same fields together."""
        alike: dict[tuple[str, ...], list[Any]] = {}
        for row, changed in self._rows.values():
            names = {field.name for field in row._meta.concrete_fields if getattr(field, "auto_now", False)}  # noqa: SLF001  Django's public name for it
            for name in names:
                setattr(row, name, timezone.now())
            alike.setdefault(tuple(sorted({*changed, *names})), []).append(row)
        for fields, rows in alike.items():
            type(rows[0])._default_manager.bulk_update(rows, fields)  # noqa: SLF001  likewise


@dataclass(frozen=True, slots=True)
class Child:
    """An entry below another: the row that it means, None where there is none yet, what it says, and how a new row is made."""

    entry: Entry
    row: Model | None
    values: Values
    new: Callable[[], Model]


def load_children(report: Report, kind: str, found: Iterable[Child]) -> None:
    """Make, change or remove the rows that entries of one kind mean. Raises what makes the batch be loaded one by one."""
    changes, new = Changes(report, kind), []
    for child in found:
        if child.entry.is_absent:
            if child.row is not None:
                child.row.delete()
            report.count(kind, "unchanged" if child.row is None else "removed")
        elif child.row is None:
            new.append(child.new())
        else:
            changes.add(child.row, child.values)
    create_rows(new)
    report.count(kind, "created", len(new))
    changes.write()


def values_of(entry: Entry, read: Callable[[], Values]) -> Values:
    """Return what an entry says; nothing for one that only asks for a removal, whose other keys nobody reads."""
    return {} if entry.is_absent else read()
