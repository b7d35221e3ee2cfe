"""The `instance` section of a dumped seed file."""

from collections.abc import Iterator
from typing import Any

from internal_api.models import InstanceSettings
from internal_api.seeding.dump import SectionDump, columns, register_section_dump
from internal_api.seeds import FIELDS


def _instance() -> Iterator[list[tuple[Any, dict[str, Any]]]]:
    row = InstanceSettings.stored()
    yield [(row, columns(row, *FIELDS))]


def register() -> None:
    """Make the section known."""
    register_section_dump(SectionDump("instance", 0, _instance, lambda: 1, many=False))
