"""Telling a database that hangs from one that is slow, and what becomes of those who wait for it."""

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from internal_api.postgresql import watch as module
from internal_api.postgresql.watch import CROWDED_SECONDS, HANG_SECONDS, PATIENCE, SILENT_SECONDS, DatabaseHangsError, DatabaseWatch

GUARD = 30


class Clock:
    """Time that passes while somebody sleeps."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Database:
    """What the watching thread is told when it asks."""

    answers = True
    asked = 0

    def probe(self) -> bool:
        self.asked += 1
        return self.answers


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


@pytest.fixture
def database() -> Database:
    return Database()


@pytest.fixture
def watch(clock: Clock, database: Database) -> DatabaseWatch:
    return DatabaseWatch("db", database.probe, limit=3, longest=50)


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours


def others_wait(watch: DatabaseWatch, number: int, began: float) -> None:
    """Threads that wait, as far as the watch can tell."""
    for key in range(number):
        watch.waits[-key - 1] = module.Wait(began, -1)


def is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False


def test_nothing_is_asked_while_answers_come(watch: DatabaseWatch, clock: Clock, database: Database) -> None:
    watch.enter()
    clock.now += 100
    watch.leave(watch.enter(), answered=True)
    watch.look()
    assert database.asked == 0


def test_a_slow_query_is_left_alone(watch: DatabaseWatch, clock: Clock, database: Database, connection: socket.socket) -> None:
    watch.enter(connection.fileno())
    for _ in range(4):
        clock.now += SILENT_SECONDS
        watch.look()
    assert database.asked == 4
    assert not watch.hangs
    assert not is_closed(connection)


def test_a_query_that_outlives_the_servers_own_limit_is_given_up(watch: DatabaseWatch, clock: Clock, connection: socket.socket) -> None:
    watch.enter(connection.fileno())
    clock.now += 51
    watch.look()
    assert is_closed(connection)


def test_a_database_that_hangs(watch: DatabaseWatch, clock: Clock, database: Database, connection: socket.socket) -> None:
    """Those who wait are given up, others are refused at once, until it answers again."""
    database.answers = False
    key = watch.enter(connection.fileno())
    clock.now += SILENT_SECONDS
    watch.look()
    assert watch.hangs
    assert not is_closed(connection)
    began = clock.now
    with pytest.raises(DatabaseHangsError):
        watch.enter()
    assert clock.now == began
    clock.now += HANG_SECONDS - SILENT_SECONDS
    watch.look()
    assert is_closed(connection)
    watch.leave(key, answered=False)
    watch.look()
    assert watch.hangs, "it is asked on, though nobody waits"
    database.answers = True
    watch.look()
    watch.leave(watch.enter(), answered=True)


def test_a_connection_that_is_over_is_not_closed(watch: DatabaseWatch, clock: Clock, database: Database, connection: socket.socket) -> None:
    """Its number may be somebody else's by now."""
    database.answers = False
    watch.enter()
    watch.leave(watch.enter(connection.fileno()), answered=False)
    watch.enter()
    clock.now += HANG_SECONDS
    watch.look()
    assert watch.hangs
    assert not is_closed(connection)


def test_where_nearly_all_threads_wait_it_is_asked_sooner(watch: DatabaseWatch, clock: Clock, database: Database) -> None:
    others_wait(watch, 2, clock.now)
    clock.now += CROWDED_SECONDS
    watch.look()
    assert database.asked == 0
    others_wait(watch, 3, clock.now)
    clock.now += CROWDED_SECONDS
    watch.look()
    assert database.asked == 1


def test_the_last_threads_do_not_wait_for_a_database_that_is_silent(watch: DatabaseWatch, clock: Clock) -> None:
    """The first of them waits for a moment, the next ones not at all: health checks have to be answered."""
    others_wait(watch, 3, clock.now)
    clock.now += 0.1
    began = clock.now
    with pytest.raises(DatabaseHangsError):
        watch.enter()
    assert clock.now - began == pytest.approx(PATIENCE, abs=0.2)
    began = clock.now
    with pytest.raises(DatabaseHangsError):
        watch.enter()
    assert clock.now - began < 0.1


def test_a_thread_in_a_transaction_is_let_through(watch: DatabaseWatch, clock: Clock) -> None:
    """The others may be waiting for its locks."""
    others_wait(watch, 3, clock.now)
    clock.now += 0.1
    began = clock.now
    watch.leave(watch.enter(is_in_transaction=True), answered=True)
    assert clock.now == began


def test_the_last_threads_go_on_when_the_database_answers(database: Database) -> None:
    """Here in real time: others wait for a lock, but the database answers the thread that watches."""
    watch = DatabaseWatch("db", database.probe, limit=3, longest=None)
    others_wait(watch, 3, time.monotonic())
    time.sleep(CROWDED_SECONDS)
    with ThreadPoolExecutor(1) as pool:
        entered = threading.Event()

        def enter() -> None:
            watch.leave(watch.enter(), answered=True)
            entered.set()

        waiting = pool.submit(enter)
        watch.look()
        while not waiting.done():
            watch.look()
            time.sleep(0.01)
        waiting.result(GUARD)
    assert entered.is_set()
    assert database.asked
