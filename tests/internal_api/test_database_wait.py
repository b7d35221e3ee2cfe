"""gitlab-sshd looks a key up while the database restarts (contract: decisions 4b, gitlab-shell 1.4 and 1.5)."""

from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client

from accounts.models import SSHKey, User
from accounts.selectors import ssh_keys
from internal_api import database_wait, statements
from internal_api.database_wait import waits_for_database
from tests.factories import SSHKeyFactory

GIVES_UP_AFTER = 10.0
ATTEMPTS = 3


class Clock:
    """Time that passes only while somebody sleeps, and a database that is away until some moment."""

    def __init__(self, away_for: float) -> None:
        self.now = 0.0
        self.away_for = away_for

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def answers(self, alias: str) -> bool:
        return self.now >= self.away_for


@pytest.fixture
def key(ann: User) -> SSHKey:
    return SSHKeyFactory.create(user=ann)


def gitlab_sshd_lets_in(shell: Client, key: SSHKey, clock: Clock) -> bool:
    """Ask as gitlab-sshd does: three times, obeying `Retry-After`, and within ten seconds, or `Permission denied (publickey)`."""
    begin = clock.now
    for _ in range(ATTEMPTS):
        response = shell.get("/api/v4/internal/authorized_keys", {"key": key.key.split()[1]})
        if clock.now - begin >= GIVES_UP_AFTER:
            return False
        if response.status_code == 200:
            return True
        assert (response.status_code, response["Retry-After"]) == (503, "5")
        clock.now += float(response["Retry-After"])
    return False


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(0.0)
    looked_up = statements.fetch_row

    def fetch_row(*arguments: Any) -> Any:
        if not clock.answers("default"):
            raise OperationalError("the server closed the connection")
        return looked_up(*arguments)

    monkeypatch.setattr(ssh_keys, "fetch_row", fetch_row)
    monkeypatch.setattr(database_wait, "time", clock)
    monkeypatch.setattr(database_wait, "answers", clock.answers)
    return clock


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("away_for", [0.05, 1, 3.9, 4.1, 5, 7, 8.9, 9.4])
def test_gitlab_sshd_is_carried_over_a_restart(shell: Client, key: SSHKey, clock: Clock, away_for: float) -> None:
    """Whoever comes at its very begin included; longer than that nobody can be helped."""
    clock.away_for = away_for
    assert gitlab_sshd_lets_in(shell, key, clock)


@pytest.mark.django_db(transaction=True)
def test_one_of_a_process_waits_and_the_others_are_told_at_once(shell: Client, key: SSHKey, clock: Clock) -> None:
    clock.away_for = 7
    assert database_wait.waiting.acquire(blocking=False)  # somebody else waits
    try:
        response = shell.get("/api/v4/internal/authorized_keys", {"key": key.key.split()[1]})
    finally:
        database_wait.waiting.release()
    assert (response.status_code, clock.now) == (503, 0.0)


@pytest.mark.django_db(transaction=True)
def test_a_connection_of_before_the_restart_costs_no_waiting() -> None:
    """The database is back already; only the connection that a thread kept is not."""
    calls: list[int] = []

    @waits_for_database
    def read() -> int:
        calls.append(1)
        if len(calls) == 1:
            raise OperationalError("terminating connection due to administrator command")
        return 7

    assert (read(), len(calls), connection.is_usable()) == (7, 2, True)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cause", ["57014", None])
def test_what_waiting_cannot_help_is_raised(cause: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A query that ran into its time-out, and a database that stays away."""
    monkeypatch.setattr(database_wait, "time", clock := Clock(1000))
    monkeypatch.setattr(database_wait, "answers", clock.answers)

    class CauseError(Exception):
        sqlstate = cause

    @waits_for_database
    def read() -> None:
        raise OperationalError from CauseError

    with pytest.raises(OperationalError):
        read()
    assert clock.now == pytest.approx(0 if cause else database_wait.SECONDS, abs=database_wait.PAUSE)
    assert database_wait.waiting.acquire(blocking=False), "nobody is left waiting"
    database_wait.waiting.release()
