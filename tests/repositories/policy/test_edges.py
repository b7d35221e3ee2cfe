"""Edges of the rules, each found because a change of the rule there had gone unnoticed."""

from typing import Any

import pytest

from repositories.policy import (
    Actor,
    Allowed,
    BranchRule,
    Change,
    Denied,
    Grants,
    Instance,
    Key,
    KeyKind,
    MalformedChangesError,
    Project,
    Reason,
    RepositoryType,
    Role,
    TagRule,
    User,
    decide,
    parse_changes,
)
from repositories.policy.messages import human_size
from repositories.policy.protection import NO_PROTECTION, Protection
from repositories.policy.ref_names import covers
from repositories.policy.repository_path import LARGEST_ID, parse_gl_repository, split_path
from tests.repositories.policy.questions import PULL, PUSH, READING_KEY, ask, member, project
from tests.repositories.policy.test_ref_updates import DEVELOPER, NEW, NONE, OLD, ROCKETS, create, delete, message, push, roles, update

FULL = project(over_storage_limit=True, storage_limit=10 * 1024**3)


def test_a_namespace_over_its_limit_can_still_be_pulled_from() -> None:
    assert decide(ask(member(Role.REPORTER), PULL, FULL)) == Allowed()
    assert decide(ask(member(Role.DEVELOPER), PUSH, FULL, changes=(create("refs/heads/x"),))) != Allowed()


@pytest.mark.parametrize("changes", [None, (update("refs/heads/x"),), (create("refs/notes/x"),)])
def test_a_deploy_key_cannot_push_while_the_repository_is_disabled(changes: tuple[Change, ...] | None) -> None:
    """Contract: allowed 9.2, "deploy keys included"."""
    key = Actor(key=Key(2, KeyKind.DEPLOY, enabled=True, can_push=True), user=User(7, "ann", role=Role.MAINTAINER))
    verdict = decide(ask(key, PUSH, project(repository_access_level="disabled"), changes=changes))
    assert verdict == Denied.because_of(Reason.PUSH_NOT_ALLOWED)


def test_a_group_whose_protocol_is_blank_leaves_every_protocol_open() -> None:
    """Contract: allowed 4.3 row 5."""
    assert decide(ask(member(Role.DEVELOPER), PULL, project(root_protocol=""))) == Allowed()


@pytest.mark.parametrize(
    ("address", "is_open"),
    [("10.1.2.3", True), ("10.255.255.255", True), ("11.0.0.1", False), ("", True), ("nonsense", False), (None, True)],
)
def test_a_range_may_be_written_with_an_address_inside_it(address: str | None, is_open: bool) -> None:
    listed = project(root_ip_allowlist=("10.1.2.3/8",))
    verdict = decide(ask(member(Role.DEVELOPER), PULL, listed, check_ip=address))
    assert (verdict == Allowed()) is is_open


@pytest.mark.parametrize(
    ("user", "is_allowed"),
    [
        (User(1, "x", role=Role.PLANNER, external=True), True),
        (User(1, "x", role=Role.GUEST, external=True), False),
        (User(1, "x", role=Role.GUEST), True),
    ],
)
def test_who_downloads_from_an_internal_project(user: User, is_allowed: bool) -> None:
    found = decide(ask(Actor(user=user), PULL, project(visibility="internal")))
    assert (found == Allowed()) is is_allowed


@pytest.mark.parametrize(
    ("state", "terms", "reason"),
    [
        ("active", False, Reason.TERMS_NOT_ACCEPTED),
        ("active", True, None),
        ("blocked", True, Reason.BLOCKED),
        ("deactivated", True, Reason.DEACTIVATED),
    ],
)
def test_terms_and_states(state: str, terms: bool, reason: Reason | None) -> None:
    user = User(7, "ann", role=Role.DEVELOPER, state=state, terms_accepted=terms)
    verdict = decide(ask(Actor(user=user), PULL, project(), instance=Instance(enforce_terms=True)))
    assert (verdict.reason if isinstance(verdict, Denied) else None) == reason


def test_an_unconfirmed_address_is_told_where_to_confirm_it() -> None:
    user = User(7, "ann", role=Role.DEVELOPER, needs_email_confirmation=True, terms_accepted=True)
    for terms in (False, True):
        instance = Instance(external_url="https://git.example.com", enforce_terms=terms)
        verdict = decide(ask(Actor(user=user), PULL, project(), instance=instance))
        assert isinstance(verdict, Denied)
        assert "https://git.example.com/users/confirmation/new" in verdict.message


def test_no_user_is_let_through_by_no_grant() -> None:
    everything = Grants(frozenset({0, 30, 40, 60}), user=True, group=True, deploy_key=True)
    assert not everything.include(None, ROCKETS)


@pytest.mark.parametrize(
    ("level", "admin", "is_let_in"), [(60, False, False), (60, True, True), (0, True, False), (40, True, False), (30, False, True)]
)
def test_a_level_for_administrators_is_for_administrators_alone(level: int, admin: bool, is_let_in: bool) -> None:
    owner = User(7, "ann", role=Role.OWNER if not admin else Role.NONE, admin=admin)
    assert Grants(frozenset({level})).include(owner, ROCKETS) is is_let_in


def test_a_rule_by_name_and_a_rule_by_pattern_are_found_once_each() -> None:
    exact, pattern = BranchRule("main"), BranchRule("m*")
    assert Protection((exact, pattern)).of_branch("main") == [exact, pattern]
    assert Protection((exact, pattern)).of_branch("m*") == [pattern]
    assert NO_PROTECTION.of_branch("main") == []


@pytest.mark.parametrize(
    ("default", "initial", "is_allowed"),
    [("developer", False, True), ("maintainer", True, True), ("maintainer", False, False), ("no_one", False, False)],
)
def test_developers_push_first_where_the_defaults_let_them(default: str, initial: bool, is_allowed: bool) -> None:
    empty = project(empty=True, default_branch_push=default, developer_can_initial_push=initial)
    rule = BranchRule("main", push=roles(40), merge=roles(40))
    for rules in ((), (rule,)):
        assert (push(DEVELOPER, create("refs/heads/main"), what=empty, branches=rules) == Allowed()) is is_allowed


def owned(**fields: object) -> Actor:
    """A writing deploy key of a developer's."""
    return Actor(key=Key(2, KeyKind.DEPLOY, enabled=True, can_push=True), user=User(7, "ann", role=Role.DEVELOPER, **fields))  # type: ignore[arg-type]  # as the tests need


def test_a_deploy_key_pushes_where_its_owner_may() -> None:
    for grants, is_allowed in ((roles(30), True), (roles(40), False)):
        rule = BranchRule("*", push=grants, merge=grants)
        assert (push(owned(), update("refs/heads/topic"), branches=(rule,)) == Allowed()) is is_allowed


@pytest.mark.parametrize(
    ("change", "what", "told"),
    [
        (create("refs/tags/v1"), project(repository_access_level="private"), None),
        (update("refs/tags/v1"), ROCKETS, None),
        (delete("refs/tags/v1"), ROCKETS, None),
    ],
)
def test_a_developer_makes_and_changes_tags(change: Change, what: Project, told: str | None) -> None:
    assert message(push(DEVELOPER, change, what=what)) == told
    assert push(owned(), change, what=what) == Allowed()


def test_whoever_may_not_push_code_changes_no_tag() -> None:
    """A deploy key has its owner's abilities; anybody else is refused by an earlier rule, so the rule is asked by itself."""
    from repositories.policy.ref_updates import _tag  # noqa: PLC0415  one rule alone

    reporter = ask(member(Role.REPORTER), PUSH, ROCKETS)
    for change in (update("refs/tags/v1"), delete("refs/tags/v1")):
        assert _tag(reporter, ROCKETS, change, "v1") == Denied.because_of(Reason.TAG_CHANGE)
    assert _tag(reporter, ROCKETS, create("refs/tags/v1"), "v1") is None
    assert _tag(ask(owned(), PUSH, ROCKETS), ROCKETS, update("refs/tags/v1"), "v1") is None
    ghosts = _tag(ask(READING_KEY, PUSH, ROCKETS), ROCKETS, update("refs/tags/v1"), "v1")
    assert ghosts == Denied.because_of(Reason.TAG_CHANGE)


def test_a_protected_tag_is_made_by_whom_its_rule_names() -> None:
    for grants, is_allowed in ((roles(30), True), (roles(40), False)):
        assert (push(DEVELOPER, create("refs/tags/v1"), tags=(TagRule("v*", create=grants),)) == Allowed()) is is_allowed


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (1536, "1.5 KiB"), (1024**2 - 1, "1024 KiB"), (1024**2, "1 MiB"), (1024**3, "1 GiB"),
        (1024**4, "1 TiB"), (1024**5, "1024 TiB"), (1234567, "1.18 MiB"),
    ],
)  # fmt: skip
def test_sizes_as_people_read_them(size: int, text: str) -> None:
    assert human_size(size) == text


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("acme/tools/rockets", ("acme/tools", "rockets")),
        ("admin/tools/rockets", None),
        ("Admin/rockets", None),
        ("acme/admin/rockets", ("acme/admin", "rockets")),
        ("acme/tools/new", None),
        ("acme.git/rockets", None),
        ("ACME.GIT/rockets", None),
        ("acme/rockets.git", None),
        ("acme/rockets.atom", None),
        ("acme.atom/rockets", None),
    ],
)
def test_places_that_a_push_may_make(path: str, parts: tuple[str, str] | None) -> None:
    assert split_path(path) == parts


def test_the_largest_id_there_is() -> None:
    found = parse_gl_repository(f"project-{LARGEST_ID}")
    assert found is not None
    assert (found.repository_type, found.project_id) == (RepositoryType.PROJECT, LARGEST_ID)
    assert parse_gl_repository(f"project-{LARGEST_ID + 1}") is None
    for text, kind in (("project-7", RepositoryType.PROJECT), ("wiki-7", RepositoryType.WIKI)):
        found = parse_gl_repository(text)
        assert found is not None
        assert found.repository_type == kind


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        (f"{NONE} {NEW} refs/heads/a", [Change(NONE, NEW, "refs/heads/a")]),
        (
            f"\r\n{NONE}\t{NEW}  refs/heads/a\t \r\n\n{OLD} {NONE} refs/tags/v1\n",
            [Change(NONE, NEW, "refs/heads/a"), Change(OLD, NONE, "refs/tags/v1")],
        ),
        (f"{'A' * 64} {'b' * 64} refs/heads/a", [Change("A" * 64, "b" * 64, "refs/heads/a")]),
    ],
)
def test_changes_that_can_be_read(text: str, changes: list[Change]) -> None:
    assert list(parse_changes(text)) == changes
    assert list(parse_changes(text.split("\n"))) == changes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "changes is blank."),
        (" \n\t\r\n", "changes is blank."),
        ("_any", "Line 1 of changes is not an old revision, a new revision and a ref."),
        (f"{NONE} {NEW} refs/heads/a\n{NONE} {NEW}", "Line 2 of changes is not an old revision, a new revision and a ref."),
        (f"{NONE} {NEW[:39]} refs/heads/a", "Line 1 of changes is not an old revision, a new revision and a ref."),
        (f"{NONE} {NEW[:39]}g refs/heads/a", "Line 1 of changes is not an old revision, a new revision and a ref."),
        (f"{NONE} {'b' * 64} refs/heads/a", "Line 1 of changes has revisions of two lengths."),
        (f"\n\n{NONE} {NONE} refs/heads/a", "Line 3 of changes has two blank revisions."),
    ],
)
def test_changes_that_cannot(text: str, told: str) -> None:
    with pytest.raises(MalformedChangesError) as raised:
        parse_changes(text)
    assert str(raised.value) == told


def test_a_verdict_says_why_it_has_no_truth_value() -> None:
    with pytest.raises(TypeError, match=r"^A verdict is neither true nor false; match it\.$"):
        bool(Allowed())


@pytest.mark.parametrize("address", ["10.0.0.1", "nonsense", None])
def test_a_project_without_a_list_is_open_to_every_address(address: str | None) -> None:
    assert decide(ask(DEVELOPER, PULL, project(), check_ip=address)) == Allowed()


def test_a_wiki_over_the_limit_can_be_pulled_and_not_pushed() -> None:
    kind: dict[str, Any] = {"repository_type": RepositoryType.WIKI}
    assert decide(ask(member(Role.DEVELOPER), PULL, FULL, **kind)) == Allowed()
    verdict = decide(ask(member(Role.DEVELOPER), PUSH, FULL, **kind))
    assert isinstance(verdict, Denied)
    assert verdict.reason == Reason.STORAGE_LIMIT_REACHED


def test_a_reserved_name_is_reserved_however_deep_the_place() -> None:
    assert split_path("admin/tools/small/rockets") is None
    assert split_path("acme/tools/small/rockets") == ("acme/tools/small", "rockets")


@pytest.mark.parametrize(
    ("pattern", "name", "is_covered"),
    [
        ("*a*b*", "abxa", True),
        ("*a*b*", "ba", False),
        ("*b*b*", "ab", False),
        ("*a*b", "axbxab", True),
        ("a*b*c", "abbc", True),
        ("a*b*c", "acb", False),
        ("*ab*b", "ab", False),
        ("a*a", "a", False),
    ],
)
def test_the_pieces_of_a_pattern_come_in_their_order(pattern: str, name: str, is_covered: bool) -> None:
    assert covers(pattern, name) is is_covered


@pytest.mark.parametrize(("default", "is_allowed"), [("developer", True), ("maintainer", False)])
def test_while_nothing_was_pushed_branches_are_as_protected_as_the_defaults_say(default: str, is_allowed: bool) -> None:
    empty = project(empty=True, default_branch="main", default_branch_push=default)
    assert (push(DEVELOPER, delete("refs/heads/topic"), what=empty) == Allowed()) is is_allowed


@pytest.mark.parametrize(("default", "is_allowed"), [("developer", True), ("maintainer", False)])
def test_a_deploy_key_of_an_outsider_pushes_first_where_nothing_is_protected(default: str, is_allowed: bool) -> None:
    outsider = Actor(key=Key(2, KeyKind.DEPLOY, enabled=True, can_push=True), user=User(8, "zoe"))
    empty = project(empty=True, visibility="public", default_branch_push=default)
    assert (push(outsider, create("refs/heads/main"), what=empty) == Allowed()) is is_allowed
