"""What a seed file may hold: sections, and keys inside their entries, filled in by each app's `seeds` when somebody first asks."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Model

from internal_api.seeding.entries import Entry
from internal_api.seeding.report import Report

Load = Callable[[Report, Entry], Any]
LoadMany = Callable[[Report, Sequence[Entry]], list[Any]]
LoadKey = Callable[[Report, Any, Entry, str], None]
LoadKeyOfMany = Callable[[Report, Sequence[tuple[Any, Entry]], str], None]


@dataclass(frozen=True, slots=True)
class Section:
    """A top-level key. `load` brings one entry's own values into the database and returns its row, or None.

    Sections are loaded in the order of `order`; entries in the order of `sort_key`. `models` are the tables whose ids a
    file may choose. A section that is not `many` is one mapping.

    `load_many` does for some entries of equal `sort_key` what `load` does for each of them in turn, with a fixed number of
    statements. It may raise whatever it likes: nothing is kept of what it did then, and `load` is called for each entry, which
    knows what is wrong and where. `TogetherError` is for what it leaves to `load`.
    """

    name: str
    order: int
    keys: Collection[str]
    load: Load
    many: bool = True
    sort_key: Callable[[Entry], Any] | None = None
    model: type[Model] | None = None
    load_many: LoadMany | None = None


class TogetherError(Exception):
    """Entries that cannot be loaded together, such as two of one name."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key inside a section's entries, loaded after all sections have their rows, in the order of `order`.

    `model` is the table whose ids the entries below it may choose. `load_many` is to `load` what a section's is. A value that is
    `whole` replaces what there is; a list or a mapping that is not may be loaded in pieces.
    """

    name: str
    order: int
    load: LoadKey
    model: type[Model] | None = None
    load_many: LoadKeyOfMany | None = None
    whole: bool = False


@dataclass
class Registry:
    """All that is known."""

    sections: dict[str, Section] = field(default_factory=dict)
    keys: dict[str, dict[str, Key]] = field(default_factory=dict)

    def known_keys(self, section: Section) -> set[str]:
        """All keys an entry of the section may have."""
        return {*section.keys, *self.keys.get(section.name, {}), "absent"}


registry = Registry()


def register_section(section: Section) -> None:
    """Make a section known."""
    registry.sections[section.name] = section


def register_key(
    section: str,
    name: str,
    order: int,
    load: LoadKey,
    *,
    model: type[Model] | None = None,
    load_many: LoadKeyOfMany | None = None,
    whole: bool = False,
) -> None:
    """Make a key inside a section's entries known; the app need not be the section's own."""
    registry.keys.setdefault(section, {})[name] = Key(name, order, load, model, load_many, whole)
