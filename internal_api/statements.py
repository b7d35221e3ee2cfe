"""Running ready-made SQL: for the few questions that are asked so often that building the query would cost more than the answer."""

import json
import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import psycopg
from django.db import InterfaceError, OperationalError, connection, connections
from django.db.models import Model
from django.db.utils import NotSupportedError
from django.utils import timezone

from internal_api.replica import reading_alias

logger = logging.getLogger(__name__)
_ENDED = ("08", "57P01", "57P02")
"""SQLSTATEs of a lost connection, a stop and a crash."""
_ONE_OF: dict[str, tuple[str, Callable[[list[int]], Any]]] = {
    "postgresql": ("id = ANY(%s::bigint[])", list),
    "sqlite": ("id IN (SELECT value FROM json_each(%s))", json.dumps),
}
"""For each database: the condition that an id is among those of one parameter, and how they are written into it."""
Row = tuple[Any, ...]
Params = Mapping[str, Any] | Sequence[Any]
_A_DAY, _THREE_DAYS, _A_WEEK, _TEN_MINUTES = timedelta(days=1), timedelta(days=3), timedelta(days=7), timedelta(minutes=10)


def fetch_row(sql: str, params: Params) -> Row | None:
    """The first row of a statement with `%(name)s` parameters, or None."""
    rows = fetch_rows(sql, params)
    return rows[0] if rows else None


def fetch_rows(sql: str, params: Params) -> list[Row]:
    """All rows of a statement that reads, asked again on a new connection where the kept one is of no use any more.

    After a failover the first request of each kept connection would be told 503 else.
    """
    connection = connections[reading_alias()]
    pool = getattr(connection, "pool", None)
    was_kept = pool is not None or connection.connection is not None
    try:
        return _fetch(sql, params)
    except NotSupportedError:
        # "cached plan must not change result type": a migration has changed a column under a prepared statement.
        if connection.in_atomic_block:
            raise
    except (OperationalError, InterfaceError) as error:
        if connection.in_atomic_block or not was_kept or not is_lost(error):
            raise
        logger.info("A kept connection to the database was lost; asking again on a new one")
    connection.close()
    if pool is not None:
        pool.check()  # the others in it are lost as well
    return _fetch(sql, params)


def is_lost(error: Exception) -> bool:
    """Whether an error says that the connection has ended: closed by the server or the network, which gives no SQLSTATE, or shut down."""
    cause = error.__cause__
    if not isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError):
        return False
    return cause.sqlstate is None or cause.sqlstate.startswith(_ENDED)


def _fetch(sql: str, params: Params) -> list[Row]:
    with connections[reading_alias()].cursor() as cursor:
        cursor.execute(sql, params)
        rows: list[Row] = cursor.fetchall()
        return rows


def existing_ids(model: type[Model], ids: Iterable[int]) -> set[int]:
    """Return those of the ids that rows of the model have.

    All ids travel as one parameter: a statement takes 65,535 of them on PostgreSQL and 250,000 on SQLite.
    """
    wanted = sorted(set(ids))
    if not wanted:
        return set()
    is_wanted, value = _ONE_OF.get(connection.vendor, _ONE_OF["sqlite"])
    table = connection.ops.quote_name(model._meta.db_table)  # noqa: SLF001  Django's public name for it
    return {int(pk) for (pk,) in fetch_rows(f"SELECT id FROM {table} WHERE {is_wanted}", [value(wanted)])}  # noqa: S608  names of our own


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
