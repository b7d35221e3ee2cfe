"""Applying seed files: read, check, write, all in one transaction (seed format: rules)."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Any

from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Model

from internal_api.errors import DomainError
from internal_api.models import InstanceSettings
from internal_api.registrations import load_registrations
from internal_api.seeding import batches
from internal_api.seeding.batches import items_in, parts_of, some_at_a_time
from internal_api.seeding.entries import LARGEST_ID, Entry, SeedError, listing, located
from internal_api.seeding.ids import reserve_ids
from internal_api.seeding.registry import Key, Section, TogetherError, registry
from internal_api.seeding.report import Progress, Report
from internal_api.seeding.statistics import PlannerStatistics
from internal_api.seeding.waiting import Waiting, WaitingKeys, ordered_sections

_NOT_TOGETHER = (TogetherError, SeedError, DomainError, ValidationError, DatabaseError)
"""What makes a batch be loaded again, one by one: that tells what is wrong and where, or that nothing is."""


def seed(documents: Iterable[dict[str, Any]], progress: Progress | None = None, options: Iterable[str] = ()) -> Report:
    """Bring the database to the state the documents describe, or change nothing. Raises SeedError.

    `options` are for the sections that know them, such as "rows_only". What sections postpone is done afterwards.
    """
    load_registrations("seeds")
    with transaction.atomic():
        report = Report(former=InstanceSettings.current(), options=frozenset(options))
        if progress:
            report.progress = progress
        statistics = PlannerStatistics()
        for document in documents:
            _apply(report, document, statistics)
    for act, found in report.afterwards.items():
        act(report, found)
    return report


def _apply(report: Report, document: dict[str, Any], statistics: PlannerStatistics) -> None:
    Entry(document, "", registry.sections)
    present = [section for section in ordered_sections() if section.name in document]
    _reserve(document, present)
    waiting = WaitingKeys()
    for section in present:
        done, total = 0, len(document[section.name]) if section.many else 1
        for batch in _batches(section, _entries(section, document)):
            rows = _load_some(section, report, batch)
            waiting.add(section, rows, batch)
            done += len(batch)
            report.progress(section.name, done, total)
            statistics.loaded(len(batch))
    _load_keys(report, waiting, statistics)


def _batches(section: Section, entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Yield the entries in the section's order; those of one batch have the same sort key."""
    if section.sort_key is None:
        yield from some_at_a_time(entries)
        return
    for _, alike in groupby(sorted(entries, key=section.sort_key), section.sort_key):
        yield from some_at_a_time(alike)


def _load_some(section: Section, report: Report, batch: list[Entry]) -> list[Any]:
    load_many = section.load_many
    if load_many is not None:
        with suppress(*_NOT_TOGETHER), report.all_or_nothing(), transaction.atomic():
            return load_many(report, batch)
    return [_load(section, report, entry) for entry in batch]


def _entries(section: Section, document: dict[str, Any]) -> Iterator[Entry]:
    known = registry.known_keys(section)
    if not section.many:
        yield Entry(document[section.name], section.name, known)
        return
    for index, values in enumerate(listing(document[section.name], section.name)):
        yield Entry(values, f"{section.name}[{index}]", known)


def _reserve(document: dict[str, Any], present: Iterable[Section]) -> None:
    """Read all entries once, which finds keys that nobody knows, and reserve the ids that they choose."""
    chosen: dict[type[Model], list[int]] = {}
    for section in present:
        for entry in _entries(section, document):
            _choose(chosen, section.model, entry.values)
            for key in registry.keys.get(section.name, {}).values():
                below = entry.values.get(key.name)
                for values in below if isinstance(below, list) else [below]:
                    _choose(chosen, key.model, values)
    for model, ids in chosen.items():
        reserve_ids(model, ids)


def _choose(chosen: dict[type[Model], list[int]], model: type[Model] | None, values: Any) -> None:
    identifier = values.get("id") if isinstance(values, dict) else None
    if model is not None and isinstance(identifier, int) and 0 < identifier <= LARGEST_ID:
        chosen.setdefault(model, []).append(identifier)


def _load(section: Section, report: Report, entry: Entry) -> Any:
    with located(entry.path):
        return section.load(report, entry)


def _load_keys(report: Report, waiting: WaitingKeys, statistics: PlannerStatistics) -> None:
    for name, key, found in waiting.in_order():
        done = 0
        for batch in _pieces(key, found):
            _load_key_of_some(key, report, found.with_rows(batch))
            items = sum(items_in(entry.values[key.name]) for _, entry in batch)
            done += items
            report.progress(f"{name}.{key.name}", done, found.items)
            statistics.loaded(items)


def _pieces(key: Key, waiting: Iterable[Waiting]) -> Iterator[list[Waiting]]:
    """Yield entries with so many items below the key that queries stay few; a long list is loaded in pieces."""
    batch: list[Waiting] = []
    items = 0
    for row, entry in waiting:
        value = entry.values[key.name]
        for part in [value] if key.whole or key.load_many is None else parts_of(value):
            size = max(1, items_in(part))
            if batch and (items + size > batches.BATCH or batch[-1][0] == row):
                yield batch
                batch, items = [], 0
            batch.append((row, entry if part is value else Entry({key.name: part}, entry.path, {key.name})))
            items += size
    if batch:
        yield batch


def _load_key_of_some(key: Key, report: Report, batch: Sequence[tuple[Any, Entry]]) -> None:
    load_many = key.load_many
    if load_many is not None and batch:
        with suppress(*_NOT_TOGETHER), report.all_or_nothing(), transaction.atomic():
            load_many(report, batch, key.name)
            return
    for row, entry in batch:
        with located(entry.at(key.name)):
            key.load(report, row, entry, key.name)
