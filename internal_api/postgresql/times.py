"""Times and dates that PostgreSQL can keep and Python cannot: `infinity`, and those beyond the years 1 to 9999.

They are read as the nearest time there is, so that no row is unreadable for one of its columns: "for ever" stays so.
"""

from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

from django.db.backends.postgresql.psycopg_any import BaseTzLoader  # type: ignore[import-untyped]  # has no stubs
from psycopg import DataError
from psycopg.adapt import AdaptersMap
from psycopg.types.datetime import DateLoader

LATEST = datetime.max.replace(tzinfo=UTC)
EARLIEST = datetime.min.replace(tzinfo=UTC)


class NearestTimeLoader(BaseTzLoader):  # type: ignore[misc]  # the stubs do not know it
    """Django's loader of times with a zone, in UTC."""

    timezone = UTC

    def load(self, data: Any) -> datetime:
        """A time; the latest or the earliest one there is for one that lies beyond."""
        try:
            found: datetime = super().load(data)
        except (DataError, OverflowError):
            return EARLIEST if _is_before(bytes(data)) else LATEST
        return found


class NearestDate(date):
    """A date that stands for one beyond it: unlike 9999-12-31 itself, which people write for "never"."""


class NearestDateLoader(DateLoader):
    """psycopg's loader of dates."""

    def load(self, data: Any) -> date:
        """A date; the latest or the earliest one there is for one that lies beyond."""
        try:
            return super().load(data)
        except DataError:
            nearest = date.min if _is_before(bytes(data)) else date.max
            return NearestDate(nearest.year, nearest.month, nearest.day)


def _is_before(text: bytes) -> bool:
    return text.startswith(b"-") or text.endswith(b"BC")


def is_nearest(value: object) -> bool:
    """Whether a time or a date that was read stands for one that Python cannot hold."""
    return isinstance(value, NearestDate) or (isinstance(value, datetime) and value in (EARLIEST, LATEST))


@lru_cache(maxsize=2)
def with_nearest_times(adapters: AdaptersMap) -> AdaptersMap:
    """The adapters, with these loaders."""
    found = AdaptersMap(adapters)
    found.register_loader("timestamptz", NearestTimeLoader)
    found.register_loader("date", NearestDateLoader)
    return found
