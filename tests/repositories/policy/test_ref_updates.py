"""What exactly may be pushed: branches, tags, protection (contract: allowed 5.3 to 5.6, 10.7 to 10.10; gitaly 6)."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from internal_api.branch_names import is_valid_name
from repositories.policy import (
    Actor,
    Allowed,
    BranchRule,
    Change,
    Denied,
    GitQuery,
    Grants,
    HasNewCommits,
    IsForced,
    Key,
    KeyKind,
    NeedsGit,
    Project,
    Protection,
    Role,
    TagRule,
    User,
    Verdict,
    decide,
)
from repositories.policy.reasons import Reason
from repositories.policy.ref_names import covers, looks_like_an_object_id
from tests.repositories.policy.questions import ADMIN, PUSH, WRITING_KEY, ask, member, project

NONE, OLD, NEW = "0" * 40, "d14d6c0abdd253381df51a723d58691b2ee1ab08", "570e7b2abdd848b95f2f578043fc23bd6f6fd24d"
SHA1 = "267208abfe40e546f5e847444276f7d43a39503e"
SHA256 = "09b9fd3ea68e9b95a51b693a29568c898e27d1476bbd83c825664f18467fc175"
ROCKETS = project(default_branch="master")
EMPTY = project(empty=True)
DEVELOPER, MAINTAINER, REPORTER = member(Role.DEVELOPER), member(Role.MAINTAINER), member(Role.REPORTER)


def roles(*levels: int) -> Grants:
    return Grants(frozenset(levels))


def create(ref: str) -> Change:
    return Change(NONE, NEW, ref)


def update(ref: str) -> Change:
    return Change(OLD, NEW, ref)


def delete(ref: str) -> Change:
    return Change(OLD, NONE, ref)


def push(
    actor: Actor,
    *changes: Change,
    what: Project = ROCKETS,
    branches: Sequence[BranchRule] = (),
    tags: Sequence[TagRule] = (),
    protocol: str = "ssh",
    answers: dict[GitQuery, bool] | None = None,
) -> Verdict:
    """The verdict on a push, with Git's answers to the questions that come up; a fast-forward where nothing else is said."""
    request = ask(actor, PUSH, what, changes=changes, protection=Protection(tuple(branches), tuple(tags)), protocol=protocol)
    known: dict[GitQuery, bool] = {**(answers or {})}
    verdict = decide(request)
    while isinstance(verdict, NeedsGit):
        known = {**dict.fromkeys(verdict.queries, False), **known}
        verdict = decide(replace(request, answers=known))
    return verdict


def message(verdict: Verdict) -> str | None:
    return verdict.message if isinstance(verdict, Denied) else None


def guest_admin() -> Actor:
    return Actor(user=User(1, "root", admin=True, role=Role.GUEST))


# Allowed 10.7: what each may do while `feature` is protected, `master` is not, and the tag v1.0.0 exists.
PUSHES = {
    "create branch wow": (create("refs/heads/wow"),),
    "update master": (update("refs/heads/master"),),
    "update feature": (update("refs/heads/feature"),),
    "delete feature": (delete("refs/heads/feature"),),
    "move tag v1.0.0": (update("refs/tags/v1.0.0"),),
    "create tag v7.8.9": (create("refs/tags/v7.8.9"),),
    "update master and feature": (update("refs/heads/master"), update("refs/heads/feature")),
}
MAINTAINERS = (roles(Role.MAINTAINER), roles(Role.MAINTAINER))
UNPROTECTED = {"create branch wow", "update master", "move tag v1.0.0", "create tag v7.8.9"}


@pytest.mark.parametrize("name", ["feature", "feat*"])
@pytest.mark.parametrize(
    ("actor", "levels", "allowed"),
    [
        pytest.param(guest_admin(), MAINTAINERS, UNPROTECTED, id="#155 an administrator who is a guest"),
        pytest.param(MAINTAINER, MAINTAINERS, set(PUSHES) - {"delete feature"}, id="#156 maintainer"),
        pytest.param(DEVELOPER, MAINTAINERS, UNPROTECTED, id="#157 developer"),
        pytest.param(REPORTER, MAINTAINERS, set(), id="#158 reporter"),
        pytest.param(DEVELOPER, (roles(30), roles(40)), set(PUSHES) - {"delete feature"}, id="#160 developers may push"),
        pytest.param(DEVELOPER, (roles(40), roles(30)), UNPROTECTED, id="#163 developers may merge, no merge request"),
        pytest.param(DEVELOPER, (roles(30), roles(30)), set(PUSHES) - {"delete feature"}, id="#164 developers may push and merge"),
        pytest.param(member(Role.OWNER), (roles(0), roles(0)), UNPROTECTED, id="no one"),
        pytest.param(ADMIN, (roles(0), roles(0)), UNPROTECTED, id="no one, an administrator neither"),
        pytest.param(ADMIN, (roles(60), roles(0)), set(PUSHES) - {"delete feature"}, id="administrators may push"),
        pytest.param(member(Role.OWNER), (roles(60), roles(0)), UNPROTECTED, id="an owner is no administrator"),
    ],
)
def test_the_matrix_of_pushes(actor: Actor, levels: tuple[Grants, Grants], allowed: set[str], name: str) -> None:
    rule = BranchRule(name, push=levels[0], merge=levels[1])
    assert {case for case, changes in PUSHES.items() if isinstance(push(actor, *changes, branches=[rule]), Allowed)} == allowed


PROTECTED = BranchRule("master", push=roles(Role.MAINTAINER), merge=roles(Role.MAINTAINER))
FORCED: dict[GitQuery, bool] = {IsForced(OLD, NEW): True}


@pytest.mark.parametrize(
    ("change", "text"),
    [
        pytest.param(delete("refs/heads/master"), Reason.DEFAULT_BRANCH_DELETION.message, id="#166"),
        pytest.param(create(f"refs/heads/{SHA1}"), Reason.BRANCH_NAME_LIKE_OBJECT_ID.message, id="#167 create"),
        pytest.param(update(f"refs/heads/{SHA1}"), Reason.BRANCH_NAME_LIKE_OBJECT_ID.message, id="#167 update"),
        pytest.param(create(f"refs/heads/{SHA1}-"), Reason.BRANCH_NAME_LIKE_OBJECT_ID.message, id="#169"),
        pytest.param(create(f"refs/heads/{SHA256}-"), Reason.BRANCH_NAME_LIKE_OBJECT_ID.message, id="#170"),
        pytest.param(create(f"refs/heads/{SHA1.upper()}"), Reason.BRANCH_NAME_LIKE_OBJECT_ID.message, id="upper case"),
        pytest.param(create(f"refs/heads/fix-{SHA256}"), None, id="#172"),
        pytest.param(delete(f"refs/heads/{SHA1}"), None, id="#173"),
        pytest.param(create("refs/heads/-wrong"), Reason.BRANCH_NAME_INVALID.message, id="a dash in front"),
        pytest.param(delete("refs/heads/-wrong"), None, id="#175"),
        pytest.param(create("refs/heads/HEAD"), Reason.BRANCH_NAME_INVALID.message, id="HEAD"),
        pytest.param(create("refs/heads/refs/heads/x"), Reason.BRANCH_NAME_INVALID.message, id="a ref inside a ref"),
        pytest.param(create("refs/heads/refs/remotes/x"), Reason.BRANCH_NAME_INVALID.message, id="a remote inside a ref"),
        pytest.param(create("refs/heads/a..b"), Reason.BRANCH_NAME_INVALID.message, id="not legal for Git"),
        pytest.param(create('refs/heads/a"b'), None, id="gitaly 6 #38: a quote"),
        pytest.param(create("refs/heads/é\ufffd"), None, id="gitaly 6 #38: what is left of other bytes"),
        pytest.param(create("refs/notes/x"), None, id="gitaly 6 #38: notes"),
        pytest.param(create("refs/heads/"), None, id="no name is no branch"),
        pytest.param(create("refs/tags/refs/heads/foo"), Reason.TAG_NAME_PROHIBITED.message, id="#194"),
        pytest.param(create("refs/tags/refs/tags/foo"), Reason.TAG_NAME_PROHIBITED.message, id="a tag inside a tag"),
        pytest.param(create("refs/tags/fix-for-refs/tags/foo"), None, id="#196"),
        pytest.param(create("refs/tags/v1\ufffd"), Reason.TAG_NAME_NOT_UTF8.message, id="#197"),
        pytest.param(delete(f"refs/tags/{SHA1}"), None, id="#199"),
        pytest.param(create(f"refs/tags/{SHA1}"), Reason.TAG_NAME_LIKE_OBJECT_ID.message, id="#200"),
        pytest.param(create(f"refs/tags/{SHA1}-"), Reason.TAG_NAME_LIKE_OBJECT_ID.message, id="#202"),
        pytest.param(create(f"refs/tags/{SHA256}-"), Reason.TAG_NAME_LIKE_OBJECT_ID.message, id="#203"),
        pytest.param(create(f"refs/tags/fix-{SHA256}"), None, id="#205"),
        pytest.param(create("refs/tags/master"), Reason.TAG_NAMED_LIKE_DEFAULT_BRANCH.message, id="#212"),
        pytest.param(update("refs/tags/v1.0.0"), None, id="an unprotected tag may be moved"),
    ],
)
def test_names(change: Change, text: str | None) -> None:
    """Allowed 10.8, 10.9."""
    assert message(push(DEVELOPER, change)) == text


@pytest.mark.parametrize(
    ("actor", "rule", "change", "answers", "text"),
    [
        pytest.param(MAINTAINER, PROTECTED, update("refs/heads/master"), FORCED, Reason.FORCE_PUSH.message, id="#176"),
        pytest.param(DEVELOPER, PROTECTED, update("refs/heads/master"), None, Reason.PROTECTED_BRANCH_PUSH.message, id="#178"),
        pytest.param(MAINTAINER, replace(PROTECTED, allow_force_push=True), update("refs/heads/master"), FORCED, None, id="#179"),
        pytest.param(
            DEVELOPER,
            replace(PROTECTED, allow_force_push=True),
            update("refs/heads/master"),
            FORCED,
            Reason.PROTECTED_BRANCH_PUSH.message,
            id="#181",
        ),
        pytest.param(DEVELOPER, PROTECTED, update("refs/heads/master"), FORCED, Reason.FORCE_PUSH.message, id="#182"),
        pytest.param(MAINTAINER, BranchRule("feature", push=roles(40)), create("refs/heads/feature"), None, None, id="#185"),
        pytest.param(
            DEVELOPER,
            BranchRule("feature", push=roles(40)),
            create("refs/heads/feature"),
            None,
            Reason.PROTECTED_BRANCH_CREATION.message,
            id="#186",
        ),
        pytest.param(
            DEVELOPER,
            BranchRule("feature", push=roles(40), merge=roles(30)),
            create("refs/heads/feature"),
            {HasNewCommits(NEW): True},
            Reason.PROTECTED_BRANCH_BASIS.message,
            id="#187",
        ),
        pytest.param(
            DEVELOPER,
            BranchRule("feature", push=roles(40), merge=roles(30)),
            create("refs/heads/feature"),
            {HasNewCommits(NEW): False},
            Reason.PROTECTED_BRANCH_CREATION_BY_GIT.message,
            id="may merge, over Git",
        ),
        pytest.param(
            DEVELOPER,
            BranchRule("feature", push=roles(40)),
            delete("refs/heads/feature"),
            None,
            Reason.PROTECTED_BRANCH_DELETION.message,
            id="#190",
        ),
        pytest.param(
            MAINTAINER,
            BranchRule("feature", push=roles(40)),
            delete("refs/heads/feature"),
            None,
            Reason.PROTECTED_BRANCH_DELETION_BY_GIT.message,
            id="over Git",
        ),
        pytest.param(
            DEVELOPER, BranchRule("other", push=roles(40)), update("refs/heads/feature"), FORCED, None, id="unprotected: anything"
        ),
    ],
)
def test_protected_branches(actor: Actor, rule: BranchRule, change: Change, answers: dict[GitQuery, bool] | None, text: str | None) -> None:
    """Allowed 10.8; 9.3; gitaly 6 #29, #31."""
    assert message(push(actor, change, branches=[rule], answers=answers)) == text


def test_what_the_web_interface_may() -> None:
    """Allowed 10.8 #188, #191, 10.9 #206."""
    feature = BranchRule("feature", push=roles(40), merge=roles(30))
    created = push(DEVELOPER, create("refs/heads/feature"), branches=[feature], protocol="web", answers={HasNewCommits(NEW): False})
    assert isinstance(created, Allowed)
    assert isinstance(push(MAINTAINER, delete("refs/heads/feature"), branches=[feature], protocol="web"), Allowed)
    assert isinstance(push(MAINTAINER, delete("refs/tags/v1.0.0"), tags=[TagRule("v*", roles(40))], protocol="web"), Allowed)
    denied = push(MAINTAINER, delete("refs/tags/v1.0.0"), tags=[TagRule("v*", roles(0))], protocol="web")
    assert message(denied) == Reason.PROTECTED_TAG_CREATION.message, "the order note of 5.6"


@pytest.mark.parametrize(
    ("actor", "create_levels", "change", "text"),
    [
        pytest.param(MAINTAINER, roles(40), update("refs/tags/v1.0.0"), Reason.PROTECTED_TAG_UPDATE.message, id="#208"),
        pytest.param(DEVELOPER, roles(40), delete("refs/tags/v1.0.0"), Reason.PROTECTED_TAG_DELETION.message, id="#209"),
        pytest.param(MAINTAINER, roles(40), delete("refs/tags/v1.0.0"), Reason.PROTECTED_TAG_DELETION_BY_GIT.message, id="over Git"),
        pytest.param(DEVELOPER, roles(30), create("refs/tags/v9.1.0"), None, id="#211"),
        pytest.param(MAINTAINER, roles(30), create("refs/tags/v9.1.0"), None, id="#226 maintainer"),
        pytest.param(DEVELOPER, roles(40), create("refs/tags/v9.1.0"), Reason.PROTECTED_TAG_CREATION.message, id="no level grants"),
        pytest.param(DEVELOPER, roles(40), create("refs/tags/w9"), None, id="another name"),
    ],
)
def test_protected_tags(actor: Actor, create_levels: Grants, change: Change, text: str | None) -> None:
    """Allowed 10.9, 10.10."""
    assert message(push(actor, change, tags=[TagRule("v*", create_levels)])) == text


@pytest.mark.parametrize(
    ("actor", "what", "allowed"),
    [
        pytest.param(MAINTAINER, EMPTY, True, id="#184, #214"),
        pytest.param(ADMIN, EMPTY, True, id="administrator"),
        pytest.param(DEVELOPER, EMPTY, False, id="#218"),
        pytest.param(DEVELOPER, replace(EMPTY, default_branch_push="developer"), True, id="#215"),
        pytest.param(DEVELOPER, replace(EMPTY, developer_can_initial_push=True), True, id="may push first"),
        pytest.param(DEVELOPER, replace(EMPTY, default_branch_push="no_one"), False, id="no one but maintainers"),
    ],
)
def test_who_may_push_first(actor: Actor, what: Project, allowed: bool) -> None:
    """Allowed 5.5, 10.10; the text is a block of its own."""
    verdict = push(actor, create("refs/heads/main"), what=what)
    block = (
        "\nA default branch (e.g. main) does not yet exist for acme/rockets\n"
        "Ask a project Owner or Maintainer to create a default branch:\n\n  http://localhost:3001/acme/rockets/-/project_members\n\n"
    )
    assert message(verdict) == (None if allowed else block)


def test_access_is_the_union_of_the_rules_that_cover_a_name() -> None:
    """Allowed 5.5."""
    rules = [BranchRule("feature", push=roles(40)), BranchRule("feat*", push=roles(30)), BranchRule("*ure", allow_force_push=True)]
    assert isinstance(push(DEVELOPER, update("refs/heads/feature"), branches=rules, answers=FORCED), Allowed)


@pytest.mark.parametrize(
    ("grants", "role", "allowed"),
    [
        (Grants(user=True), Role.GUEST, False),
        (Grants(user=True), Role.DEVELOPER, True),
        (Grants(group=True), Role.DEVELOPER, True),
        (Grants(deploy_key=True), Role.DEVELOPER, True),
        (Grants(), Role.OWNER, False),
    ],
)
def test_levels_that_name_somebody(grants: Grants, role: Role, allowed: bool) -> None:
    verdict = push(member(role), create("refs/heads/feature"), branches=[BranchRule("feature", push=grants)])
    assert isinstance(verdict, Allowed) is allowed


def deploy_key(owner: User | None, *, can_push: bool = True) -> Actor:
    return Actor(Key(2, KeyKind.DEPLOY, enabled=True, can_push=can_push), owner)


OWNER = User(7, "ann", role=Role.DEVELOPER)


@pytest.mark.parametrize(
    ("actor", "changes", "branches", "tags", "text"),
    [
        pytest.param(deploy_key(OWNER), [update("refs/heads/x")], [], [], None, id="an unprotected branch"),
        pytest.param(WRITING_KEY, [update("refs/heads/x")], [], [], Reason.PUSH_NOT_ALLOWED.message, id="the ghost pushes nothing"),
        pytest.param(deploy_key(None), [update("refs/heads/x")], [], [], Reason.PUSH_NOT_ALLOWED.message, id="no owner at all"),
        pytest.param(
            deploy_key(replace(OWNER, state="blocked")),
            [update("refs/heads/x")],
            [],
            [],
            Reason.PUSH_NOT_ALLOWED.message,
            id="blocked owner",
        ),
        pytest.param(
            deploy_key(User(7)), [update("refs/heads/x")], [], [], Reason.PUSH_NOT_ALLOWED.message, id="the owner cannot read the project"
        ),
        pytest.param(
            deploy_key(OWNER),
            [update("refs/heads/x")],
            [BranchRule("*", push=roles(40))],
            [],
            Reason.PUSH_NOT_ALLOWED.message,
            id="the full ref and `*`",
        ),
        pytest.param(
            deploy_key(OWNER),
            [update("refs/heads/x")],
            [BranchRule("x", push=roles(40))],
            [],
            Reason.PROTECTED_BRANCH_PUSH.message,
            id="protected",
        ),
        pytest.param(
            deploy_key(OWNER), [update("refs/heads/x")], [BranchRule("x", push=roles(30))], [], None, id="the owner's role grants"
        ),
        pytest.param(
            deploy_key(OWNER), [create("refs/tags/v1")], [], [TagRule("v*", roles(0))], Reason.PROTECTED_TAG_CREATION.message, id="#229"
        ),
        pytest.param(deploy_key(OWNER), [create("refs/tags/v1")], [], [TagRule("v*", Grants(deploy_key=True))], None, id="#230"),
        pytest.param(
            deploy_key(User(7)),
            [create("refs/tags/v1")],
            [],
            [TagRule("v*", Grants(deploy_key=True))],
            Reason.PUSH_NOT_ALLOWED.message,
            id="#233",
        ),
        pytest.param(
            deploy_key(OWNER, can_push=False), [update("refs/heads/x")], [], [], Reason.DEPLOY_KEY_CANNOT_PUSH.message, id="gitaly 6 #20"
        ),
    ],
)
def test_deploy_keys(actor: Actor, changes: list[Change], branches: list[BranchRule], tags: list[TagRule], text: str | None) -> None:
    """Allowed 5.3, 10.10."""
    assert message(push(actor, *changes, branches=branches, tags=tags)) == text


def test_one_forbidden_change_refuses_the_whole_push() -> None:
    """Gitaly 6 #37 as decisions 10a has it: the text does not name the ref."""
    rules = [BranchRule("b", push=roles(40), allow_force_push=True)]
    verdict = push(DEVELOPER, update("refs/heads/a"), update("refs/heads/b"), update("refs/heads/c"), branches=rules)
    assert message(verdict) == Reason.PROTECTED_BRANCH_PUSH.message


def test_git_is_asked_only_when_a_rule_needs_it_and_all_at_once() -> None:
    """Decisions 23."""
    rules = Protection((BranchRule("prod*", push=roles(30), merge=roles(30)), BranchRule("open", push=roles(30), allow_force_push=True)))
    changes = tuple(update(f"refs/heads/{name}") for name in ("topic", "open", "prod1", "prod2"))
    request = ask(DEVELOPER, PUSH, ROCKETS, changes=changes, protection=rules)
    assert decide(request) == NeedsGit((IsForced(OLD, NEW),)), "the same question once"
    assert isinstance(decide(replace(request, changes=changes[:2])), Allowed)
    first, second = update("refs/heads/prod1"), Change(NEW, OLD, "refs/heads/prod2")
    assert decide(replace(request, changes=(first, second))) == NeedsGit((IsForced(OLD, NEW), IsForced(NEW, OLD)))
    refused = delete("refs/heads/master")
    assert isinstance(decide(replace(request, changes=(refused, first))), Denied), "refused anyway: nothing is asked"
    assert isinstance(decide(replace(request, changes=(first, refused))), NeedsGit), "the first failing change decides the text"


@pytest.mark.parametrize("change", [update("refs/heads/x"), create("refs/tags/v1")])
def test_a_wikis_changes_do_not_matter(change: Change) -> None:
    request = ask(DEVELOPER, PUSH, ROCKETS, changes=(change,), protection=Protection((BranchRule("*"),)), repository_type="wiki")
    assert isinstance(decide(request), Allowed)


CHANGES = st.sampled_from(
    [kind(f"refs/{ref}") for kind in (create, update, delete) for ref in ("heads/a", "heads/b", "tags/v1", "notes/x")]
)


@given(st.lists(CHANGES, max_size=4), CHANGES, st.sampled_from([DEVELOPER, MAINTAINER, REPORTER, WRITING_KEY, ADMIN]))
def test_one_more_change_never_turns_a_refusal_into_leave(changes: list[Change], more: Change, actor: Actor) -> None:
    rules = [BranchRule("a", push=roles(40), merge=roles(30))]
    tags = [TagRule("v*", roles(40))]
    if isinstance(push(actor, *changes, branches=rules, tags=tags), Denied):
        assert isinstance(push(actor, *changes, more, branches=rules, tags=tags), Denied)


@pytest.mark.parametrize(
    ("pattern", "name", "covered"),
    [
        ("main", "main", True), ("main", "Main", False), ("main", "main2", False), ("*", "", True), ("*", "a/b", True), ("feat*", "feat", True),
        ("feat*", "feature/x", True), ("*-stable", "1-2-stable", True), ("*-stable", "stable", False), ("a*b*c", "abc", True),
        ("a*b*c", "axxbyyc", True), ("a*b*c", "acb", False), ("a*a", "a", False), ("**", "x", True), ("v1.*", "v1x", False), ("[ab]", "a", False),
        ("a*bb*b", "abb", False),
    ],
)  # fmt: skip
def test_patterns(pattern: str, name: str, covered: bool) -> None:
    """Allowed 5.5: `*` alone is special, matches across slashes; anchored, case-sensitive."""
    assert covers(pattern, name) is covered


@given(st.text("ab*", max_size=8), st.text("ab", max_size=10))
def test_patterns_mean_what_a_regular_expression_means(pattern: str, name: str) -> None:
    import re  # noqa: PLC0415  only here

    assert covers(pattern, name) is bool(re.fullmatch(pattern.replace("*", ".*"), name))


@pytest.mark.parametrize(
    "name",
    ["", "HEAD", "-a", "a..b", "a b", "a~b", "a^b", "a:b", "a?b", "a*b", "a[b", "a\\b", "a.lock", "a.lock/b", "a.", "a/", "/a", "a//b", "a/.b",
     ".a", "a@{b", "a\x7fb", "a\tb"],
)  # fmt: skip
def test_names_that_nothing_may_have(name: str) -> None:
    assert not is_valid_name(name)


@pytest.mark.parametrize("name", ["main", "feature/x", "a-b", "é", "a@b", "a.b", "HEAD2", "refs/x", "@", "a/@"])
def test_names_that_something_may_have(name: str) -> None:
    assert is_valid_name(name)
    assert not looks_like_an_object_id(name)
