"""Applying seed files: read, check, write, all in one transaction (seed format: rules)."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml
from django.db import transaction
from django.db.models import Model

from internal_api.models import InstanceSettings
from internal_api.registrations import load_registrations
from internal_api.seeding.entries import LARGEST_ID, Entry, SeedError, listing, located, mapping
from internal_api.seeding.ids import reserve_ids
from internal_api.seeding.registry import Section, registry
from internal_api.seeding.report import Progress, Report
from internal_api.yaml_input import MALFORMED

_EVERY = 1000


class _Loader(yaml.SafeLoader):
    """YAML without duplicate keys."""


def _unique_mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key, deep=True) for key, _ in node.value]
    for index, key in enumerate(keys):
        if keys.index(key) != index:
            raise SeedError(f"line {node.value[index][0].start_mark.line + 1}", f"the key {key!r} is given twice")
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _unique_mapping)


def parse(content: str) -> dict[str, Any]:
    """The document in a file; JSON is YAML too. Raises SeedError."""
    try:
        document = yaml.load(content, Loader=_Loader)  # noqa: S506  derived from the safe loader
    except yaml.YAMLError as error:
        raise SeedError("", f"is not YAML: {' '.join(str(error).split())}") from error
    except MALFORMED as error:
        raise SeedError("", "cannot be read: a value is malformed or nested too deeply") from error
    return mapping(document if document is not None else {}, "")


def seed(documents: Iterable[dict[str, Any]], progress: Progress | None = None, options: Iterable[str] = ()) -> Report:
    """Bring the database to the state the documents describe, or change nothing. Raises SeedError.

    `options` are for the sections that know them, such as "rows_only". What sections postpone is done afterwards.
    """
    load_registrations("seeds")
    with transaction.atomic():
        report = Report(former=InstanceSettings.current(), options=frozenset(options))
        if progress:
            report.progress = progress
        for document in documents:
            _apply(report, document)
    for act, found in report.afterwards.items():
        act(report, found)
    return report


def _apply(report: Report, document: dict[str, Any]) -> None:
    Entry(document, "", registry.sections)
    entries = {section.name: list(_entries(section, document)) for section in _ordered() if section.name in document}
    _reserve(entries)
    rows: list[tuple[str, Any, Entry]] = []
    for name, found in entries.items():
        section = registry.sections[name]
        for done, entry in enumerate(sorted(found, key=section.sort_key) if section.sort_key else found, 1):
            rows.append((name, _load(section, report, entry), entry))
            if done % _EVERY == 0:
                report.progress(name, done, len(found))
    _load_keys(report, rows)


def _ordered() -> list[Section]:
    return sorted(registry.sections.values(), key=lambda section: section.order)


def _entries(section: Section, document: dict[str, Any]) -> Iterator[Entry]:
    known = registry.known_keys(section)
    if not section.many:
        yield Entry(document[section.name], section.name, known)
        return
    for index, values in enumerate(listing(document[section.name], section.name)):
        yield Entry(values, f"{section.name}[{index}]", known)


def _reserve(entries: dict[str, list[Entry]]) -> None:
    chosen: dict[type[Model], list[int]] = {}
    for name, found in entries.items():
        for entry in found:
            _choose(chosen, registry.sections[name].model, entry.values)
            for key in registry.keys.get(name, {}).values():
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


def _load_keys(report: Report, rows: list[tuple[str, Any, Entry]]) -> None:
    waiting = [
        (key.order, position, key, row, entry)
        for position, (name, row, entry) in enumerate(rows)
        for key in registry.keys.get(name, {}).values()
        if key.name in entry and row is not None
    ]
    for _, _, key, row, entry in sorted(waiting, key=lambda item: item[:2]):
        with located(entry.at(key.name)):
            key.load(report, row, entry, key.name)
