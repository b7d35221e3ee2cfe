"""Running ready-made SQL: for the few questions that are asked so often that building the query would cost more than the answer."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection, connections
from django.db.utils import NotSupportedError
from django.utils import timezone

from internal_api.replica import reading_alias

Row = tuple[Any, ...]
Params = Mapping[str, Any] | Sequence[Any]
_A_DAY, _THREE_DAYS, _A_WEEK, _TEN_MINUTES = timedelta(days=1), timedelta(days=3), timedelta(days=7), timedelta(minutes=10)


def fetch_row(sql: str, params: Params) -> Row | None:
    """The first row of a statement with `%(name)s` parameters, or None."""
    rows = fetch_rows(sql, params)
    return rows[0] if rows else None


def fetch_rows(sql: str, params: Params) -> list[Row]:
    """All rows."""
    try:
        return _fetch(sql, params)
    except NotSupportedError:
        # "cached plan must not change result type": a migration has changed a column under a prepared statement.
        connection = connections[reading_alias()]
        if connection.in_atomic_block:
            raise
        connection.close()
        return _fetch(sql, params)


def _fetch(sql: str, params: Params) -> list[Row]:
    with connections[reading_alias()].cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Row] = cursor.fetchall()
        return rows


def moment(value: datetime) -> Any:
    """A time as this database compares it."""
    return connection.ops.adapt_datetimefield_value(value)


def day(value: date) -> Any:
    """A date as this database compares it."""
    return connection.ops.adapt_datefield_value(value)


def clock() -> dict[str, Any]:
    """The parameters about time that several statements share."""
    now, adapt = timezone.now(), connection.ops.adapt_datetimefield_value
    return {
        "now": adapt(now),
        "today": day(now.date()),
        "a_day_ago": adapt(now - _A_DAY),
        "three_days_ago": adapt(now - _THREE_DAYS),
        "in_a_week": adapt(now + _A_WEEK),
        "ten_minutes_ago": adapt(now - _TEN_MINUTES),
    }
