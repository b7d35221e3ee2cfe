"""Writing again after a restart of the database (contract: decisions 16a)."""

import os
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import psycopg
import psycopg_pool
import pytest
from django.db import InterfaceError, OperationalError, connection, transaction
from django.test import Client

from internal_api import database_retry
from internal_api.database_retry import is_away, retry_while_away
from internal_api.shared_store.database import DatabaseStore
from repositories.models import PendingPush, Project, PushEvent
from tests.servers import START_SECONDS, PostgreSQL


def raised(cause: Exception, kind: type[Exception] = OperationalError) -> Exception:
    """What Django makes of a driver's error."""
    error = kind(str(cause))
    error.__cause__ = cause
    return error


def busy(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("told by the code")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize(
    ("error", "away"),
    [
        (raised(psycopg.errors.AdminShutdown("stop")), True),
        (raised(psycopg.errors.CrashShutdown("crash")), True),
        (raised(psycopg.errors.CannotConnectNow("starting up")), True),
        (raised(psycopg.errors.TooManyConnections("full")), True),
        (raised(psycopg.errors.ConnectionFailure("lost")), True),
        (raised(psycopg.OperationalError("connection refused")), True),
        (raised(psycopg_pool.PoolTimeout("nobody gave one back")), True),
        (raised(psycopg.InterfaceError("closed"), InterfaceError), True),
        (raised(busy(sqlite3.SQLITE_BUSY)), True),
        (raised(busy(sqlite3.SQLITE_FULL)), False),
        (raised(psycopg.errors.QueryCanceled("took too long")), False),
        (raised(psycopg.errors.DiskFull("full")), False),
        (raised(psycopg.errors.LockNotAvailable("waited")), False),
        (ValueError("not the database's"), False),
    ],
)
def test_which_errors_say_that_the_database_is_away(error: Exception, away: bool) -> None:
    assert is_away(error) is away


class Clock:
    """Time that passes by sleeping only."""

    now = 0.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """And a connection that is not the test's."""
    found = Clock()
    monkeypatch.setattr(database_retry, "time", found)
    monkeypatch.setattr("internal_api.database_retry.connections", SimpleNamespace(all=lambda **_: []))
    return found


@pytest.mark.parametrize(("seconds", "is_back"), [(0, True), (7, True), (9.4, True), (11, False)])
def test_a_call_waits_for_ten_seconds(clock: Clock, seconds: float, is_back: bool) -> None:
    def run() -> str:
        if clock.now < seconds:
            raise raised(psycopg.OperationalError("connection refused"))
        return "done"

    if is_back:
        assert retry_while_away(run) == "done"
    else:
        with pytest.raises(OperationalError):
            retry_while_away(run)
    assert clock.now <= database_retry.SECONDS


def test_what_waiting_does_not_help_is_told_at_once(clock: Clock) -> None:
    def run() -> None:
        raise raised(psycopg.errors.QueryCanceled("took too long"))

    with pytest.raises(OperationalError):
        retry_while_away(run)
    assert clock.now == 0


@pytest.mark.django_db
def test_nothing_is_repeated_inside_a_transaction(clock: Clock) -> None:
    """What was written before would be lost."""
    calls: list[int] = []

    def run() -> None:
        calls.append(1)
        raise raised(psycopg.OperationalError("lost"))

    with transaction.atomic(), pytest.raises(OperationalError):
        retry_while_away(run)
    assert len(calls) == 1


@pytest.mark.parametrize("request_id", ["01H", None])
@pytest.mark.django_db(transaction=True)
def test_a_report_whose_commit_was_not_acknowledged_is_recorded_once(
    shell: Client, rockets: Project, monkeypatch: pytest.MonkeyPatch, request_id: str | None
) -> None:
    """With and without a request id: the call has an id of ours."""
    lost = [True]
    commit = connection.commit

    def failing() -> None:
        commit()
        if lost and PushEvent.objects.exists():
            lost.clear()
            raise raised(psycopg.OperationalError("lost"))

    monkeypatch.setattr(connection, "commit", failing)
    body = {"gl_repository": f"project-{rockets.pk}", "changes": f"{'0' * 40} {'a' * 40} refs/heads/main\n"}
    headers = {"x-request-id": request_id} if request_id else {}
    response = shell.post("/api/v4/internal/post_receive", body, content_type="application/json", headers=headers)
    assert (response.status_code, lost, PushEvent.objects.count()) == (200, [], 1)
    assert not PendingPush.objects.exists()


@pytest.mark.django_db
def test_a_push_that_can_be_counted_nowhere_is_not_refused_silently(shell: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Decisions 16a, 4b: 503 after the wait, with a text and a time to try again."""

    def away(*_: Any) -> None:
        raise raised(psycopg.errors.QueryCanceled("took too long"))

    monkeypatch.setattr(DatabaseStore, "increase", away)
    if os.environ.get("REDIS_URL"):
        monkeypatch.setattr("internal_api.shared_store.redis.RedisStore.increase", away)
    response = shell.post("/api/v4/internal/pre_receive", {"gl_repository": "project-1"})
    assert (response.status_code, response["Retry-After"]) == (503, "5")


@pytest.mark.live
@pytest.mark.postgresql
@pytest.mark.parametrize("pooled", [False, True])
def test_several_calls_wait_each_in_its_thread_and_go_on(pooled: bool) -> None:  # noqa: PLR0915  one scenario, from start to stop
    """With a connection for each thread, and with psycopg's pool, whose connections are all dead after a restart."""
    server = PostgreSQL()
    server.start()
    address = server.url.replace("postgres://", "postgresql://")
    pool = psycopg_pool.ConnectionPool(address, min_size=1, max_size=4, timeout=5, open=True) if pooled else None
    kept, opened = threading.local(), list[psycopg.Connection[Any]]()

    def run() -> int:
        try:
            if pool is not None:
                with pool.connection() as pooled_connection:
                    return int(pooled_connection.execute("SELECT 1").fetchall()[0][0])
            if getattr(kept, "connection", None) is None:
                kept.connection = psycopg.connect(address)
                opened.append(kept.connection)
            return int(kept.connection.execute("SELECT 1").fetchall()[0][0])
        except psycopg.Error as error:
            kept.connection = None
            raise raised(error) from error

    try:
        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(lambda _: retry_while_away(run, START_SECONDS), range(8))) == [1] * 8
            server.stop()
            waiting = [threads.submit(retry_while_away, run, START_SECONDS) for _ in range(4)]
            time.sleep(0.5)
            assert not any(one.done() for one in waiting)
            server.start()
            assert [one.result(START_SECONDS) for one in waiting] == [1] * 4
    finally:
        for each in opened:
            each.close()
        if pool is not None:
            pool.close()
        server.remove()
