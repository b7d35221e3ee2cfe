"""Many guesses at once from one address: the limit on wrong credentials holds, with real threads on PostgreSQL (contract: git-http 2.5)."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from accounts.models import User
from accounts.services import git_password
from tests.git_http.conftest import PASSWORD, PULL, Git, basic
from tests.test_races import at_once

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]
THREADS = 20
LIMIT = 10
THERE = "203.0.113.5"


@pytest.fixture(params=["redis", "database"], autouse=True)
def shared(request: pytest.FixtureRequest, settings: Settings, store: Any) -> None:
    """Where failures are counted."""
    if request.param == "database":
        settings.REDIS_URL = ""


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch, people: dict[str, User], settings: Settings) -> Iterator[list[str]]:
    """The passwords that were compared with a stored one, which takes a while; each of the threads has a place to wait for that."""
    for user in people.values():
        user.set_password(PASSWORD)
        user.save()
    found: list[str] = []
    check = User.check_password

    def slow(user: User, raw: str) -> bool:
        found.append(raw)
        time.sleep(0.02)
        return check(user, raw)

    monkeypatch.setattr(User, "check_password", slow)
    settings.WEB_THREADS, settings.GIT_HTTP_FAILURES = THREADS * 4, LIMIT
    git_password._waiting.cache_clear()  # noqa: SLF001  it was made for other settings
    yield found
    git_password._waiting.cache_clear()  # noqa: SLF001  likewise


def guesses(git: Git, password: Callable[[int], str]) -> Counter[int]:
    """The statuses of one round of requests that are sent at once."""
    return Counter(
        at_once(
            lambda number: git.info_refs("gnuwget/wget2", PULL, basic("ann", password(number)), x_forwarded_for=THERE).status_code, THREADS
        )
    )


def test_no_more_passwords_are_compared_than_the_limit_allows(git: Git, compared: list[str]) -> None:
    """Those that waited for their turn when the address was banned are not compared any more."""
    assert guesses(git, lambda number: f"wrong {number}") == {401: LIMIT, 403: THREADS - LIMIT}
    assert len(compared) == LIMIT
    assert guesses(git, lambda _: PASSWORD) == {403: THREADS}
    assert len(compared) == LIMIT


def test_guessed_tokens_ban_their_address(git: Git, compared: list[str], pat: Callable[..., str]) -> None:
    """They cost no hash, so those that are under way are answered; none is lost from the count."""
    assert guesses(git, lambda number: f"glpat-{number:020}")[401] >= LIMIT
    assert git.info_refs("gnuwget/wget2", PULL, pat("ann"), x_forwarded_for=THERE).status_code == 403
    assert compared == []


def test_other_addresses_are_not_held(git: Git, compared: list[str], pat: Callable[..., str]) -> None:
    token, done = pat("ann"), threading.Event()

    def step(number: int) -> set[int]:
        if number:
            git.info_refs("gnuwget/wget2", PULL, basic("ann", f"wrong {number}"), x_forwarded_for=THERE)
            return {200}
        found = {git.info_refs("gnuwget/wget2", PULL, token, x_forwarded_for="203.0.113.6").status_code for _ in range(10)}
        done.set()
        return found

    assert set.union(*at_once(step, THREADS)) == {200}
    assert done.is_set()


def test_many_right_passwords_at_once_ban_nobody(git: Git, compared: list[str]) -> None:
    assert guesses(git, lambda _: PASSWORD) == {200: THREADS}
