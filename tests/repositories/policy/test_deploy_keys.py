"""A deploy key acts for an owner in good standing (contract: allowed 2.5, 4.6, 5.3, 5.6)."""

from dataclasses import replace

import pytest

from repositories.policy import Actor, Allowed, BranchRule, Change, Denied, Key, KeyKind, Reason, Role, TagRule, User, decide
from tests.repositories.policy.questions import PULL, PUSH, ask, project
from tests.repositories.policy.test_ref_updates import create, delete, push, roles, update

OWNER = User(7, "ann", role=Role.DEVELOPER)
NOT_WRITABLE = Denied.because_of(Reason.WIKI_NOT_WRITABLE)
OUT_OF_STANDING = {
    "blocked": replace(OWNER, state="blocked"),
    "blocked by LDAP": replace(OWNER, state="ldap_blocked"),
    "banned": replace(OWNER, state="banned"),
    "deactivated": replace(OWNER, state="deactivated"),
    "pending approval": replace(OWNER, state="blocked_pending_approval"),
    "locked": replace(OWNER, locked=True),
    "unconfirmed": replace(OWNER, needs_email_confirmation=True),
    "password expired": replace(OWNER, password_expired=True),
    "ghost": User(9, "ghost", user_type="ghost", role=Role.OWNER),
    "administrator who is blocked": User(1, "root", admin=True, state="blocked"),
    "unable to read the project": User(7, "ann"),
    "missing": None,
}


def key_of(owner: User | None) -> Actor:
    return Actor(Key(2, KeyKind.DEPLOY, enabled=True, can_push=True), owner)


@pytest.mark.parametrize("changes", [None, (update("refs/heads/main"),)], ids=["_any", "changes"])
@pytest.mark.parametrize("standing", OUT_OF_STANDING)
def test_no_wiki_is_written_for_an_owner_out_of_standing(standing: str, changes: tuple[Change, ...] | None) -> None:
    request = ask(key_of(OUT_OF_STANDING[standing]), PUSH, project(), repository_type="wiki", changes=changes)
    assert decide(request) == NOT_WRITABLE
    assert decide(replace(request, action=PULL)) == Allowed(), "a blocked owner stops no pull"


@pytest.mark.parametrize("changes", [None, (update("refs/heads/main"),)], ids=["_any", "changes"])
@pytest.mark.parametrize(
    ("role", "is_allowed"),
    [(Role.GUEST, False), (Role.PLANNER, True), (Role.REPORTER, False), (Role.DEVELOPER, True)],
)
def test_a_wiki_is_written_as_the_owner_may(role: Role, is_allowed: bool, changes: tuple[Change, ...] | None) -> None:
    request = ask(key_of(User(7, role=role)), PUSH, project(), repository_type="wiki", changes=changes)
    assert decide(request) == (Allowed() if is_allowed else NOT_WRITABLE)


@pytest.mark.parametrize("change", [create("refs/heads/x"), update("refs/tags/v1"), delete("refs/notes/x")])
@pytest.mark.parametrize("standing", OUT_OF_STANDING)
def test_nothing_is_pushed_for_an_owner_out_of_standing(standing: str, change: Change) -> None:
    found = push(key_of(OUT_OF_STANDING[standing]), change)
    assert found == Denied.because_of(Reason.PUSH_NOT_ALLOWED)


@pytest.mark.parametrize("standing", OUT_OF_STANDING)
def test_no_push_is_announced_for_an_owner_out_of_standing(standing: str) -> None:
    """What nobody owns is the ghost's, who is asked about with real changes (allowed 2.5, 4.6 row 8)."""
    request = ask(key_of(OUT_OF_STANDING[standing]), PUSH, project())
    expected = Allowed() if standing in ("ghost", "missing") else Denied.because_of(Reason.PUSH_NOT_ALLOWED)
    assert decide(request) == expected
    assert decide(replace(request, action=PULL)) == Allowed(), "a blocked owner stops no pull"


@pytest.mark.parametrize("role", [Role.GUEST, Role.REPORTER, Role.DEVELOPER])
def test_a_push_is_announced_whatever_the_role_of_the_owner(role: Role) -> None:
    assert decide(ask(key_of(User(7, role=role)), PUSH, project())) == Allowed()


@pytest.mark.parametrize(
    ("owner", "is_allowed"),
    [
        (User(7, role=Role.GUEST), False),
        (User(7, role=Role.REPORTER), False),
        (User(7, role=Role.DEVELOPER), True),
        (User(1, admin=True), True),
    ],
)
@pytest.mark.parametrize("change", [update("refs/tags/v1"), delete("refs/tags/v1")])
def test_existing_tags_are_changed_for_developers_only(owner: User, is_allowed: bool, change: Change) -> None:
    """Allowed 5.6 row 1."""
    denied = Denied.because_of(Reason.TAG_CHANGE)
    assert push(key_of(owner), change) == (Allowed() if is_allowed else denied)
    assert push(key_of(owner), create("refs/tags/v2")) == Allowed()


def test_the_row_on_existing_tags_comes_before_those_on_protected_ones() -> None:
    rule = TagRule("v*", roles(30))
    found = push(key_of(User(7, role=Role.REPORTER)), update("refs/tags/v1"), tags=[rule], branches=[BranchRule("x")])
    assert found == Denied.because_of(Reason.TAG_CHANGE)
