"""A password that was right is not hashed again for a while; everything else about it is asked each time (contract: git-http 2.3)."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from accounts.services.remembered_passwords import LIFE, MOST, RememberedPasswords, remembered_passwords
from tests.git_http.conftest import PASSWORD, PULL, PUSH, Git, allowed, basic, refused

GIVEN = basic("ann", PASSWORD)


@pytest.fixture
def ann(people: dict[str, User]) -> User:
    person = people["ann"]
    person.set_password(PASSWORD)
    person.save()
    return person


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch, ann: User) -> list[str]:
    """The passwords that were hashed."""
    found: list[str] = []
    check = User.check_password

    def noted(user: User, raw: str) -> bool:
        found.append(raw)
        return check(user, raw)

    monkeypatch.setattr(User, "check_password", noted)
    return found


def test_the_requests_of_a_command_hash_once(git: Git, hashed: list[str]) -> None:
    """A pull sends the password three times, a push twice or three times."""
    allowed([*git.both("gnuwget/wget2", PULL, GIVEN), git.post("gnuwget/wget2", PULL, GIVEN)])
    allowed(git.both("gnuwget/wget2", PUSH, basic("ANN@example.com", PASSWORD)))
    assert hashed == [PASSWORD]


def test_a_wrong_password_is_hashed_each_time(git: Git, hashed: list[str]) -> None:
    """Beside a right one that is remembered, too: what takes no time is right."""
    allowed(git.both("gnuwget/wget2", PULL, GIVEN))
    hashed.clear()
    for _ in range(2):
        refused(git.both("gnuwget/wget2", PULL, basic("ann", PASSWORD + "x")), 401)
    assert hashed == [PASSWORD + "x"] * 4


def test_a_password_is_its_owners_alone(git: Git, hashed: list[str], people: dict[str, User]) -> None:
    allowed(git.both("gnuwget/wget2", PULL, GIVEN))
    User.objects.filter(pk=people["max"].pk).update(password=people["ann"].password)
    hashed.clear()
    allowed(git.both("gnuwget/wget2", PULL, basic("max", PASSWORD)))
    assert hashed == [PASSWORD]


def _change_password(ann: User) -> None:
    ann.set_password("another long password")
    ann.save()


CLOSING: dict[str, Callable[[User], Any]] = {
    "another password": _change_password,
    "no password": lambda ann: User.objects.filter(pk=ann.pk).update(password="!"),
    "a second factor": lambda ann: User.objects.filter(pk=ann.pk).update(otp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"),
    "a block": lambda ann: User.objects.filter(pk=ann.pk).update(state="blocked"),
    "a lock": lambda ann: User.objects.filter(pk=ann.pk).update(locked_at=timezone.now()),
    "an expired password": lambda ann: User.objects.filter(pk=ann.pk).update(password_expires_at=timezone.now()),
    "removal": lambda ann: ann.delete(),
}


@pytest.mark.parametrize("what", CLOSING)
def test_what_closes_a_password_holds_at_once(git: Git, hashed: list[str], ann: User, what: str) -> None:
    allowed(git.both("gnuwget/wget2", PULL, GIVEN))
    CLOSING[what](ann)
    refused(git.both("gnuwget/wget2", PULL, GIVEN), 401)


@pytest.mark.parametrize("what", ["a second factor", "a block", "a lock", "an expired password"])
def test_nothing_is_remembered_of_an_account_that_is_closed(git: Git, hashed: list[str], ann: User, what: str) -> None:
    """Else a second try that takes no time would tell that the password is right."""
    CLOSING[what](ann)
    refused(git.both("gnuwget/wget2", PULL, GIVEN), 401)
    assert hashed == [PASSWORD] * 2


def test_a_remembered_password_is_forgotten_after_a_while_however_often_it_is_used(ann: User) -> None:
    now = [0.0]
    remembered = RememberedPasswords(lambda: now[0])
    proof = remembered.proof(ann, PASSWORD)
    assert proof not in remembered
    remembered.add(proof)
    now[0] = LIFE - 1
    assert proof in remembered
    now[0] = LIFE
    assert proof not in remembered


def test_use_does_not_prolong_it(git: Git, hashed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    now = [1000.0]
    monkeypatch.setattr(remembered_passwords(), "_clock", lambda: now[0])
    for later in (0.0, LIFE / 2, LIFE + 1):
        now[0] = 1000.0 + later
        allowed(git.both("gnuwget/wget2", PULL, GIVEN))
    assert hashed == [PASSWORD] * 2


def test_the_latest_are_remembered(ann: User) -> None:
    remembered = RememberedPasswords()
    proofs = [remembered.proof(ann, str(number)) for number in range(MOST + 1)]
    for proof in proofs:
        remembered.add(proof)
    assert [proof in remembered for proof in (proofs[0], proofs[1], proofs[-1])] == [False, True, True]


def test_a_proof_is_of_the_stored_hash_and_of_this_process(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    first = remembered_passwords().proof(ann, PASSWORD)
    assert PASSWORD.encode() not in first
    assert remembered_passwords().proof(ann, PASSWORD) == first
    assert RememberedPasswords().proof(ann, PASSWORD) != first
    monkeypatch.setattr("os.getpid", lambda: 1)
    assert remembered_passwords().proof(ann, PASSWORD) != first
