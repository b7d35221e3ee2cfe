"""When the replica is asked: it answers, is not far behind, and was looked at recently."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import OperationalError
from pytest_django.fixtures import Settings

from internal_api import database_wait, replica, replica_state
from internal_api.replica import REPLICA, from_replica, reading_alias
from internal_api.replica_state import EVERY, PAUSE, Measurement, ReplicaCondition, ReplicaState


class Fake:
    """A replica whose lag is said by the test, and a clock."""

    def __init__(self) -> None:
        self.lag: float | None = 0.0
        self.now = 1000.0
        self.asked = 0

    def measure(self) -> float:
        self.asked += 1
        if self.lag is None:
            raise OperationalError("away")
        return self.lag


class Connection:
    """Stands for the connection to the replica."""

    errors_occurred = False
    closed = 0

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Connection:
    one = Connection()
    for module in (replica, replica_state):
        monkeypatch.setattr(module, "connections", {REPLICA: one})
    return one


@pytest.fixture
def fake() -> Fake:
    return Fake()


@pytest.fixture
def state(fake: Fake, connection: Connection, monkeypatch: pytest.MonkeyPatch, settings: Settings) -> ReplicaState:
    settings.DATABASE_REPLICA_MAX_LAG = 30
    one = ReplicaState(fake.measure, lambda: fake.now)
    monkeypatch.setattr(replica_state, "replica_state", one)
    return one


pytestmark = pytest.mark.once


def test_it_is_measured_once_a_second_while_it_is_of_use(fake: Fake, state: ReplicaState) -> None:
    assert [state.is_usable() for _ in range(5)] == [True] * 5
    assert fake.asked == 1
    fake.now += EVERY
    fake.lag = 30.0
    assert (state.is_usable(), fake.asked) == (True, 2)


def test_above_the_limit_it_is_left_alone_and_comes_back_by_itself(fake: Fake, state: ReplicaState) -> None:
    fake.lag = 30.1
    assert state.current() == Measurement(ReplicaCondition.BEHIND, 30.1)
    fake.lag = 0.5
    fake.now += PAUSE - 0.1
    assert not state.is_usable()
    fake.now += 0.1
    assert state.current() == Measurement(ReplicaCondition.READY, 0.5)


def test_nought_sets_no_limit(fake: Fake, state: ReplicaState, settings: Settings) -> None:
    settings.DATABASE_REPLICA_MAX_LAG = 0
    fake.lag = 1e6
    assert state.is_usable()


def test_one_that_is_away_is_asked_again_after_a_pause(fake: Fake, state: ReplicaState, connection: Connection) -> None:
    fake.lag = None
    assert state.current() == Measurement(ReplicaCondition.UNREACHABLE, None)
    assert not state.is_usable()
    assert (fake.asked, connection.closed) == (1, 1)
    fake.lag = 0.0
    fake.now += PAUSE
    assert state.is_usable()


def test_while_one_thread_looks_the_others_go_by_what_was_known(fake: Fake, state: ReplicaState) -> None:
    assert state.is_usable()
    fake.now += EVERY
    inside, outside = threading.Event(), threading.Event()

    def slow() -> float:
        inside.set()
        outside.wait()
        return 0.0

    state._measure = slow  # noqa: SLF001  the replica begins to be slow
    looking = threading.Thread(target=state.is_usable)
    looking.start()
    inside.wait()
    assert state.is_usable()
    outside.set()
    looking.join()


@pytest.fixture
def configured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES, REPLICA, {})


def asked(connection: Connection, fails: Callable[[], bool]) -> tuple[Any, list[str]]:
    """What a question that may go to the replica is answered, and the databases that it went to."""
    seen: list[str] = []

    @from_replica
    def question() -> str:
        seen.append(reading_alias())
        if reading_alias() == REPLICA and fails():
            connection.errors_occurred = True
            raise OperationalError("the replica is gone")
        return "answer"

    return question(), seen


def test_a_question_that_fails_is_asked_of_the_primary(configured: None, state: ReplicaState, connection: Connection, fake: Fake) -> None:
    assert asked(connection, lambda: False) == ("answer", [REPLICA])
    assert asked(connection, lambda: True) == ("answer", [REPLICA, "default"])
    assert connection.closed == 1
    fake.lag = None
    assert asked(connection, lambda: True) == ("answer", ["default"]), "looked at before it is asked again"


def test_an_error_of_the_primary_is_not_the_replicas(configured: None, state: ReplicaState, connection: Connection) -> None:
    @from_replica
    def question() -> None:
        raise OperationalError("the primary, which was written to")

    with pytest.raises(OperationalError):
        question()
    assert state.is_usable()


def test_the_replica_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, configured: None, state: ReplicaState, connection: Connection
) -> None:
    monkeypatch.setattr(database_wait, "_returns", lambda alias: pytest.fail("waited"))

    def question() -> str:
        if reading_alias() == REPLICA:
            connection.errors_occurred = True
            raise OperationalError("the replica restarts")
        return "answer"

    assert from_replica(database_wait.waits_for_database(question))() == "answer"


def test_without_a_replica_nothing_is_looked_at(state: ReplicaState, fake: Fake, connection: Connection) -> None:
    assert asked(connection, lambda: False) == ("answer", ["default"])
    assert fake.asked == 0
