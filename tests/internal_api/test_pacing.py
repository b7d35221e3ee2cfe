"""Strangers are answered at a pace, others are not."""

from typing import Any

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.services.personal_access_tokens import create_token
from internal_api import pacing
from internal_api.pacing import LONGEST, LONGEST_HELD, Pace
from repositories.models import Project
from repositories.services.access import set_member
from tests.conftest import workhorse_headers
from tests.factories import UserFactory
from tests.git_http.conftest import basic


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_a_second_s_worth_is_answered_at_once_and_then_one_by_one(clock: Clock) -> None:
    pace = Pace(10, places=1, clock=clock, sleep=clock.sleep)
    clock.now += 60
    assert [pace.wait() for _ in range(11)] == [0.0] * 11
    assert [round(pace.wait(), 6) for _ in range(3)] == [0.1, 0.1, 0.1]
    clock.now += 0.5
    assert [round(pace.wait(), 6) for _ in range(6)] == [0.0, 0.0, 0.0, 0.0, 0.0, 0.1], "half a second gave five turns, less the last one's"


def test_nobody_is_held_back_longer_than_a_moment_and_none_waits_for_a_place() -> None:
    clock, nested = Clock(), []

    def sleep(seconds: float) -> None:
        clock.slept.append(seconds)
        nested.append(pace.wait())  # somebody else comes meanwhile

    pace = Pace(1, places=1, clock=clock, sleep=sleep)
    clock.now += 1
    for _ in range(4):
        pace.wait()
    assert max(clock.slept) == LONGEST
    assert set(nested) == {0.0}


@pytest.fixture
def paced(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses whose answers were held back."""
    settings.STRANGERS_PER_SECOND = 1
    found: list[str] = []

    class Recorder:
        def wait(self) -> None:
            found.append("waited")

    monkeypatch.setattr(pacing, "_pace", Recorder)
    return found


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/api/v4/internal/check", {}),
        ("/api/v4/internal/check", {"Gitlab-Shell-Api-Request": "forged"}),
        ("/api/v4/internal/kubernetes/agent_info", {"Gitlab-Kas-Api-Request": "forged"}),
        ("/api/scim/v2/groups/acme/Users", {"Authorization": "Bearer forged"}),
        ("/docs", {}),
        ("/nowhere", {}),
        ("/admin/login/", {}),
    ],
)
def test_whoever_shows_no_good_credential_waits(db: None, client: Client, paced: list[str], path: str, headers: dict[str, str]) -> None:
    client.get(path, headers=headers)
    assert paced == ["waited"]


def test_callers_who_are_known_and_probes_do_not_wait(db: None, shell: Client, client: Client, paced: list[str]) -> None:
    assert shell.get("/api/v4/internal/check").status_code == 200
    assert client.get("/livez").status_code == 200
    client.force_login(UserFactory.create(username="root", admin=True))
    assert client.get("/admin/").status_code == 200
    assert paced == []


def test_whoever_uses_git_over_http_with_a_good_credential_or_is_asked_for_one_does_not_wait(
    rockets: Project, ann: User, paced: list[str]
) -> None:
    set_member(rockets, ann, 30)
    token = create_token(user=ann, name="git", scopes=["read_repository"], expires_at=None)[1]
    locks = "/acme/rockets.git/info/lfs/locks"
    assert Client(headers={"Authorization": basic("ann", token)}).get(locks).status_code == 200
    challenge = Client(headers=workhorse_headers()).get("/acme/rockets.git/info/refs?service=git-upload-pack")
    assert (challenge.status_code, paced) == (401, [])
    assert Client(headers={"Authorization": basic("ann", "forged")}).get(locks).status_code == 401
    assert Client().get(locks).status_code == 401
    assert paced == ["waited", "waited"]


@pytest.mark.parametrize(("threads", "places"), [(1, 1), (2, 1), (8, 4), (16, 8)])
def test_half_of_the_threads_wait_at_most(settings: Settings, monkeypatch: pytest.MonkeyPatch, threads: int, places: int) -> None:
    settings.STRANGERS_PER_SECOND, settings.WEB_THREADS = 50, threads
    made: list[tuple[int, int]] = []
    monkeypatch.setattr(pacing, "Pace", lambda per_second, places: made.append((per_second, places)))
    pacing._pace.__wrapped__()  # noqa: SLF001  without the cache of the process
    assert made == [(50, places)]
    settings.STRANGERS_PER_SECOND = 0
    assert pacing._pace.__wrapped__() is None  # noqa: SLF001  likewise


def test_answers_that_the_server_keeps_take_turns_too_and_no_place(clock: Clock) -> None:
    pace = Pace(10, places=1, clock=clock, sleep=clock.sleep)
    clock.now += 60
    turns = [round(pace.until_turn(LONGEST_HELD), 6) for _ in range(30)]
    assert turns[:11] == [0.0] * 11
    assert turns[11:14] == [0.1, 0.2, 0.3]
    assert max(turns) == LONGEST_HELD
    assert clock.slept == []


class Kept:
    """A socket of a server that can keep answers."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def hold(self, seconds: float) -> None:
        self.seconds.append(seconds)


@pytest.mark.parametrize(("path", "kept"), [("/api/v4/internal/check", True), ("/api/schema", False)])
def test_the_server_keeps_small_answers_and_a_thread_waits_with_large_ones(
    db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, client: Client, path: str, kept: bool
) -> None:
    waited: list[float] = []
    pace = Pace(1, places=1, sleep=waited.append)
    monkeypatch.setattr(pacing, "_pace", lambda: pace)
    socket = Kept()
    extra: Any = {"gunicorn.socket": socket}
    for _ in range(4):
        client.get(path, **extra)
    assert (len(socket.seconds), len(waited)) == ((4, 0) if kept else (0, len(waited)))
    assert bool(waited) is not kept
