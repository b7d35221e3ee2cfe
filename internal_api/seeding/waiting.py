"""What waits below the entries of sections until all sections have their rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from internal_api.seeding.batches import items_in
from internal_api.seeding.entries import Entry
from internal_api.seeding.registry import Key, Section, registry
from internal_api.seeding.spooled import Spooled

Waiting = tuple[Any, Entry]
"""A row, or the primary key by which it is read again, and an entry that has the key of which this is said."""


def ordered_sections() -> list[Section]:
    """All sections, in the order in which they are loaded."""
    return sorted(registry.sections.values(), key=lambda section: section.order)


@dataclass
class WaitingKey:
    """The values of one key, and for which rows; only some of them are in memory."""

    section: Section
    key: Key
    items: int = 0
    _values: Spooled = field(default_factory=Spooled)

    def add(self, row: Any, entry: Entry) -> None:
        value = entry.values[self.key.name]
        self.items += items_in(value)
        self._values.append((row if self.section.model is None else row.pk, entry.path, value))

    def __iter__(self) -> Iterator[Waiting]:
        for row, path, value in self._values:
            yield row, Entry({self.key.name: value}, path, {self.key.name})

    def with_rows(self, batch: Sequence[Waiting]) -> list[tuple[Any, Entry]]:
        """Return the entries with their rows, read together; without those whose rows a later entry has removed."""
        model = self.section.model
        if model is None:
            return list(batch)
        rows = model._default_manager.select_related(*getattr(model, "audit_related", ()))  # noqa: SLF001  Django's public name for it
        found = rows.in_bulk({pk for pk, _ in batch})
        return [(found[pk], entry) for pk, entry in batch if pk in found]


class WaitingKeys:
    """All keys that entries have, by their place in the order in which they are loaded."""

    def __init__(self) -> None:
        self._found: dict[tuple[int, int, int], WaitingKey] = {}
        self._sections = {section.name: position for position, section in enumerate(ordered_sections())}

    def add(self, section: Section, rows: Sequence[Any], batch: Sequence[Entry]) -> None:
        """Keep what entries say below their rows; an entry without a row removes it, and says nothing else."""
        for position, key in enumerate(registry.keys.get(section.name, {}).values()):
            place = (key.order, self._sections[section.name], position)
            for row, entry in zip(rows, batch, strict=False):
                if key.name in entry and row is not None:
                    self._found.setdefault(place, WaitingKey(section, key)).add(row, entry)

    def in_order(self) -> Iterator[tuple[str, Key, WaitingKey]]:
        """Yield the section's name, the key and its values; they are forgotten afterwards."""
        for place in sorted(self._found):
            found = self._found.pop(place)
            yield found.section.name, found.key, found
