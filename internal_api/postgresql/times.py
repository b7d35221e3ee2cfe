"""Times that PostgreSQL can keep and Python cannot: `infinity`, and those beyond the years 1 to 9999.

They are read as the nearest time there is, so that no row is unreadable for one of its columns: "for ever" stays so.
"""

from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.db.backends.postgresql.psycopg_any import BaseTzLoader  # type: ignore[import-untyped]  # has no stubs
from psycopg import DataError
from psycopg.adapt import AdaptersMap

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
            text = bytes(data)
            return EARLIEST if text.startswith(b"-") or text.endswith(b"BC") else LATEST
        return found


@lru_cache(maxsize=2)
def with_nearest_times(adapters: AdaptersMap) -> AdaptersMap:
    """The adapters, with this loader."""
    found = AdaptersMap(adapters)
    found.register_loader("timestamptz", NearestTimeLoader)
    return found
