"""The shared store in the database: each step is one statement, so that concurrent callers cannot come between."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any

from django.db import DatabaseError, connection
from django.utils import timezone

from internal_api.models import SharedValue
from internal_api.shared_store.base import SharedStoreError, StoreState

# An upsert with RETURNING; `excluded` is the row that would have been inserted. The same text runs on PostgreSQL and SQLite.
_UPSERT = """
INSERT INTO internal_api_sharedvalue AS kept (key, number, text, expires_at) VALUES (%s, %s, '', %s)
ON CONFLICT (key) DO UPDATE SET
  number = CASE WHEN kept.expires_at <= %s THEN excluded.number ELSE kept.number + excluded.number END,
  expires_at = {expiry}
RETURNING number
"""
_RENEWING = _UPSERT.format(expiry="excluded.expires_at")
_FIXED = _UPSERT.format(expiry="CASE WHEN kept.expires_at <= %s THEN excluded.expires_at ELSE kept.expires_at END")
_DECREASE = """
UPDATE internal_api_sharedvalue SET number = CASE WHEN number > 0 THEN number - 1 ELSE 0 END
WHERE key = %s AND expires_at > %s RETURNING number
"""
_TAKE_ONE = """
UPDATE internal_api_sharedvalue SET number = number - 1 WHERE key = %s AND number > 0 AND expires_at > %s RETURNING number
"""
_PUT = """
INSERT INTO internal_api_sharedvalue AS kept (key, number, text, expires_at) VALUES (%s, 0, %s, %s)
ON CONFLICT (key) DO UPDATE SET text = excluded.text, expires_at = excluded.expires_at {condition}
RETURNING key
"""
_PUT_ONCE = _PUT.format(condition="WHERE kept.expires_at <= %s")
_PUT = _PUT.format(condition="")
_TAKE = "DELETE FROM internal_api_sharedvalue WHERE key = %s RETURNING text, expires_at > %s"


@contextmanager
def _reaching_the_database() -> Iterator[None]:
    try:
        yield
    except DatabaseError as error:
        raise SharedStoreError(str(error)) from error


def _value(moment: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(moment)


def _row(sql: str, *params: Any) -> tuple[object, ...] | None:
    with _reaching_the_database(), connection.cursor() as cursor:
        cursor.execute(sql, params)
        row: tuple[object, ...] | None = cursor.fetchone()
        return row


def _count(row: tuple[object, ...] | None) -> int:
    return int(str(row[0])) if row else 0


class DatabaseStore:
    """Rows of SharedValue; what has expired counts as absent until clean-up removes it."""

    def increase(self, key: str, life: int) -> int:
        now = timezone.now()
        return _count(_row(_RENEWING, key, 1, _value(now + timedelta(seconds=life)), _value(now)))

    def decrease(self, key: str) -> int:
        return _count(_row(_DECREASE, key, _value(timezone.now())))

    def take_one(self, key: str) -> bool:
        return _row(_TAKE_ONE, key, _value(timezone.now())) is not None

    def count_in_window(self, key: str, life: int, number: int) -> int:
        now = timezone.now()
        return _count(_row(_FIXED, key, number, _value(now + timedelta(seconds=life)), _value(now), _value(now)))

    def number(self, key: str) -> int:
        with _reaching_the_database():
            return SharedValue.objects.filter(key=key, expires_at__gt=timezone.now()).values_list("number", flat=True).first() or 0

    def put(self, key: str, text: str, life: int) -> None:
        _row(_PUT, key, text, _value(timezone.now() + timedelta(seconds=life)))

    def put_once(self, key: str, text: str, life: int) -> bool:
        now = timezone.now()
        return _row(_PUT_ONCE, key, text, _value(now + timedelta(seconds=life)), _value(now)) is not None

    def get(self, key: str) -> str | None:
        with _reaching_the_database():
            return SharedValue.objects.filter(key=key, expires_at__gt=timezone.now()).values_list("text", flat=True).first()

    def take(self, key: str) -> str | None:
        row = _row(_TAKE, key, _value(timezone.now()))
        return str(row[0]) if row and row[1] else None

    def forget(self, key: str) -> None:
        with _reaching_the_database():
            SharedValue.objects.filter(key=key).delete()

    def add_to_estimate(self, key: str, members: Collection[int], life: int) -> None:
        raise NotImplementedError("Where the database is the store, what is counted has exact rows of its own.")

    def estimate(self, keys: Sequence[str]) -> int:
        raise NotImplementedError("Where the database is the store, what is counted has exact rows of its own.")

    def state(self) -> StoreState:
        """Whether it answers; whether it can be written is the database's own state (internal_api/health.py)."""
        try:
            _row("SELECT 1")
        except SharedStoreError:
            return StoreState.UNREACHABLE
        return StoreState.READY

    def is_healthy(self) -> bool:
        return self.state() is StoreState.READY
