"""Random situations to decide: requests made of small domains, so that they collide.

The first value of each domain is the plainest; Hypothesis shrinks towards it. `mostly` draws the
plain value more often than the others, since a request with several faults is refused by the first
of them and says nothing about the rest.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from math import prod
from typing import Any, TypeVar

from hypothesis import strategies as st

from repositories.policy import (
    Actor,
    BranchRule,
    Change,
    Destination,
    Grants,
    HasNewCommits,
    Instance,
    IsForced,
    Key,
    KeyKind,
    Project,
    Protection,
    Question,
    Request,
    TagRule,
    User,
)

Value = TypeVar("Value")

URL = "https://git.example.com"
LARGEST_DRAW = 2**22
"""Above 2**24 Hypothesis prefers small numbers, and with them some of the combinations."""

ROLES = (30, 40, 50, 25, 20, 15, 10, 5, 0)
STATES = (
    "active",
    "blocked",
    "ldap_blocked",
    "banned",
    "deactivated",
    "blocked_pending_approval",
)
USER_TYPES = (
    "human",
    "service_account",
    "project_bot",
    "service_user",
    "security_bot",
    "security_policy_bot",
    "ghost",
    "support_bot",
    "alert_bot",
    "visual_review_bot",
    "automation_bot",
    "admin_bot",
    "placeholder",
    "duo_code_review_bot",
    "import_user",
)
COMMANDS = ("git-receive-pack", "git-upload-pack", "git-upload-archive")
LEVELS = ("enabled", "private", "disabled")
VISIBILITIES = ("private", "internal", "public")

ZERO = "0" * 40
HEX = "267208abfe40e546f5e847444276f7d43a39503e"
REVISIONS = ("a" * 40, "b" * 40, "00" * 19 + "01")

NAMES = (
    "main",
    "stable",
    "v1.0",
    "v1x0",
    "feature/a",
    "MAIN",
    "main2",
    "2-stable",
    "HEAD",
    "HEAD/a",
    "@",
    "-wrong",
    "a-",
    "refs/heads/a",
    "refs/remotes/a",
    "refs/tags/a",
    "a/refs/tags/b",
    HEX,
    HEX.upper(),
    HEX + "-",
    HEX[:39],
    HEX + HEX[:24],
    "fix-" + HEX,
    "\u0662" * 40,
    "a..b",
    "a.",
    ".a",
    "a/.b",
    "a.lock",
    "a.lock/b",
    "a.lockb",
    "a//b",
    "/a",
    "a/",
    "a b",
    "a\u3000b",
    "a\u00a0b",
    "a\x1fb",
    "a\x7fb",
    "a@{b",
    "a@b",
    "a~b",
    "a^b",
    "a:b",
    "a?b",
    "a*b",
    "a[b",
    "a\\b",
    "a{b}",
    "\u00e9",
    "a\ufffdb",
)
PREFIXES = ("refs/heads/", "refs/tags/", "refs/notes/", "refs/", "refs/merge-requests/1/", "")
PATTERNS = (
    "main",
    "*",
    "m*",
    "*n",
    "*-stable",
    "feature/*",
    "*/*",
    "v1.0",
    "m?in",
    "[m]ain",
    "refs/heads/*",
    "refs/heads/main",
    "refs/*",
    "a*b",
    "**",
    "\u00e9",
    HEX,
)
ROLE_LEVELS = (
    frozenset({40}),
    frozenset({30}),
    frozenset({0}),
    frozenset({60}),
    frozenset[int](),
    frozenset({0, 30}),
    frozenset({40, 60}),
)


def mostly(plain: Value, *others: Value, times: int = 0) -> tuple[Value, ...]:
    """Return a domain whose plain value is drawn about three times in four."""
    return (plain,) * (times or 3 * len(others)) + others


def rarely(times: int = 9) -> tuple[bool, ...]:
    return mostly(False, True, times=times)


def hardly_ever_not(times: int = 9) -> tuple[bool, ...]:
    return mostly(True, False, times=times)


BOTH = (False, True)


def combined(make: Callable[..., Value], **domains: Sequence[Any]) -> st.SearchStrategy[Value]:
    """Draw keyword arguments, all of them with few draws: a draw costs more than a decision.

    One number picks a value out of each of several domains, as its digits; 0 is the plainest.
    """
    groups: list[dict[str, Sequence[Any]]] = [{}]
    size = 1
    for name, domain in domains.items():
        if size * len(domain) > LARGEST_DRAW:
            groups.append({})
            size = 1
        groups[-1][name] = domain
        size *= len(domain)

    def build(*numbers: int) -> Value:
        picked = {}
        for number, group in zip(numbers, groups, strict=True):
            for name, domain in group.items():
                number, digit = divmod(number, len(domain))  # noqa: PLW2901  the next digit's turn
                picked[name] = domain[digit]
        return make(**picked)

    sizes = [prod(map(len, group.values())) for group in groups]
    return st.builds(build, *(st.integers(0, size - 1) for size in sizes))


def user(**facts: Any) -> User:
    return User(7, "ann", **facts)


PERMISSIONS: dict[str, Sequence[Any]] = {"role": ROLES, "admin": rarely(7), "external": rarely(5)}
USERS = combined(user, **PERMISSIONS)
ACCOUNTS = combined(
    user,
    **PERMISSIONS,
    user_type=mostly(*USER_TYPES),
    state=mostly(*STATES),
    locked=rarely(),
    needs_email_confirmation=rarely(),
    terms_accepted=hardly_ever_not(3),
    password_expired=rarely(),
    ssh_keys_disabled=rarely(),
    two_factor_enabled=BOTH,
    has_otp_session=BOTH,
)


def actor(kind: str, faults: bool, problem: str | None, expired: bool, **grant: bool) -> Callable[[User], Actor]:
    """Return who acts, once there is a user: nobody, a user, with a key, or a deploy key of theirs."""
    if not faults:
        problem, expired = None, False
    if kind == "nobody":
        return lambda person: Actor()
    if kind == "user":
        return lambda person: Actor(None, person)
    if kind == "key":
        return lambda person: Actor(Key(3, problem=problem, expired=expired), person)
    key = Key(3, KeyKind.DEPLOY, problem=problem, expired=expired, **grant)
    return lambda person: Actor(key, person if kind == "deploy key" else None)


def actors(*kinds: str, accounts: bool = False) -> st.SearchStrategy[Actor]:
    """Draw who acts; with `accounts` their account and key have faults as well."""
    makers = combined(
        actor,
        kind=kinds,
        faults=(accounts,),
        problem=mostly(None, "must be at least 4096 bits", times=9),
        expired=rarely(),
        enabled=hardly_ever_not(5),
        can_push=hardly_ever_not(5),
    )
    return st.builds(lambda make, person: make(person), makers, ACCOUNTS if accounts else USERS)


DEPLOY_KEYS = ("deploy key", "deploy key", "deploy key", "deploy key", "deploy key without owner")
ALL_ACTORS = ("key", "user", "nobody", "deploy key", "deploy key", "deploy key without owner")

INSTANCES = combined(
    Instance,
    external_url=(URL,),
    ssh_host=("git.example.com",),
    ssh_port=mostly(22, 2222),
    read_only=rarely(),
    read_only_message=("", "Moving house"),
    enabled_git_access_protocol=mostly("", "ssh", "http"),
    require_two_factor_for_git=rarely(3),
    enforce_terms=rarely(3),
    http_pull=hardly_ever_not(),
    http_push=hardly_ever_not(),
)


PLAIN_INSTANCE = Instance(external_url=URL, enforce_terms=True)

SSH_ONLY = Instance(external_url=URL, enabled_git_access_protocol="ssh")


def project(**facts: Any) -> Project:
    """Return a project; what only groups can have, a personal project does not have."""
    if not facts.get("root_is_group", True):
        facts.update(root_ip_allowlist=(), root_enforces_ssh_certificates=False)
    return Project(1, "acme/app", root_id=2, root_path="acme", storage_limit=10 * 2**30, **facts)


CONTAINERS = combined(
    project,
    visibility=VISIBILITIES,
    archived=rarely(),
    read_only=rarely(),
    repository_exists=hardly_ever_not(),
    wiki_exists=hardly_ever_not(4),
    repository_access_level=mostly(*LEVELS),
    wiki_access_level=mostly(*LEVELS),
    root_is_group=hardly_ever_not(7),
    root_protocol=mostly("all", "ssh", "http", ""),
    root_ip_allowlist=mostly((), ("10.0.0.0/8",), ("192.168.7.1/24", "2001:db8::/32"), times=3),
    root_enforces_ssh_certificates=rarely(3),
    over_storage_limit=rarely(),
)
FEATURES = combined(
    project,
    visibility=VISIBILITIES,
    repository_access_level=LEVELS,
    wiki_access_level=LEVELS,
    wiki_exists=mostly(True, False),
    archived=rarely(),
    over_storage_limit=rarely(4),
)
GRANTS = combined(Grants, roles=ROLE_LEVELS, user=rarely(4), group=rarely(4), deploy_key=rarely(4))
BRANCH_RULES = st.lists(
    st.builds(BranchRule, st.sampled_from(PATTERNS), GRANTS, GRANTS, st.booleans()),
    max_size=3,
).map(tuple)
TAG_RULES = st.lists(st.builds(TagRule, st.sampled_from(PATTERNS), GRANTS), max_size=2).map(tuple)

COVERED = ("main", "stable", "2-stable", "v1.0", "feature/a")
COVERED_BRANCHES = tuple("refs/heads/" + name for name in COVERED)
BRANCHES = tuple("refs/heads/" + name for name in NAMES)
TAGS = tuple("refs/tags/" + name for name in NAMES)
REFS = (
    *COVERED_BRANCHES * 8,
    *(prefix + name for prefix in PREFIXES for name in NAMES),
    *PREFIXES[:-1],
)
NAME_PARTS = ("a", "/", ".", "-", "main", ".lock", "@", "{", " ", "*", "\ufffd", "\x7f", "refs/")
NAMES_OF_PARTS = st.builds(
    "{}{}".format,
    st.sampled_from(PREFIXES[:2]),
    st.lists(st.sampled_from(NAME_PARTS), min_size=1, max_size=4).map("".join),
)
CHANGE_OF_A = (Change(*REVISIONS[:2], "refs/heads/a"),)


def change(kind: str, old: str, new: str, long: bool, ref: str) -> Change:
    if long:
        old, new = old.ljust(64, old[0]), new.ljust(64, new[0])
    zero = "0" * len(old)
    return Change(zero if kind == "create" else old, zero if kind == "delete" else new, ref)


def changes(refs: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[Change, ...]]:
    lines = st.builds(
        lambda make, ref: make(ref),
        combined(
            lambda **facts: lambda ref: change(ref=ref, **facts),
            kind=("update", "create", "delete"),
            old=REVISIONS,
            new=REVISIONS,
            long=rarely(14),
        ),
        refs,
    )
    return st.lists(lines, min_size=1, max_size=3).map(tuple)


def answers(pushed: tuple[Change, ...], told: tuple[bool | None, ...]) -> dict[Question, bool]:
    """Return what Git was asked so far about these changes, and what it answered."""
    given: dict[Question, bool] = {}
    for one, answer in zip(pushed, told, strict=False):
        if answer is None:
            continue
        given[HasNewCommits(one.newrev)] = given[IsForced(one.oldrev, one.newrev)] = answer
    return given


PATHS = ("acme/app", "acme/app.wiki", "acme/app.design", "app", "app.wiki", "app.design")
DESTINATIONS = (
    None,
    *(
        Destination(2, may_create, room, archived, **group)
        for may_create in (True, True, False)
        for room in (True, True, False)
        for archived in (False, False, True)
        for group in (
            {"root_path": "acme"},
            {"root_path": "acme", "root_is_group": False},
            {"root_path": "acme", "root_protocol": "ssh"},
            {"root_path": "acme", "root_protocol": "http"},
            {"root_path": "acme", "root_ip_allowlist": ("10.0.0.0/8",)},
            {"root_path": "acme", "root_enforces_ssh_certificates": True},
            {
                "root_path": "acme",
                "root_protocol": "ssh",
                "root_ip_allowlist": ("10.0.0.0/8",),
                "root_enforces_ssh_certificates": True,
            },
        )
    ),
)


def as_granted_to(person: User | None, protection: Protection) -> Protection:
    """Return rules that let groups in whose members are Developers here, or no group (allowed 5.5)."""
    if person is not None and person.role >= 30:
        return protection

    def without_group(levels: Grants) -> Grants:
        return replace(levels, group=False)

    return Protection(
        tuple(replace(rule, push=without_group(rule.push), merge=without_group(rule.merge)) for rule in protection.branches),
        tuple(replace(rule, create=without_group(rule.create)) for rule in protection.tags),
    )


def pushes(
    refs: st.SearchStrategy[str],
    *kinds: str,
    empty: Sequence[bool] = rarely(14),
    accounts: bool = False,
) -> st.SearchStrategy[Request]:
    """Draw what is pushed, under which protection, by somebody who mostly may."""
    projects = combined(
        project,
        visibility=mostly("private", "public"),
        repository_access_level=mostly(*LEVELS, times=7),
        default_branch=mostly("main", "v1.0", "stable"),
        empty=empty,
        default_branch_push=("maintainer", "developer", "no_one", "admin"),
        developer_can_initial_push=BOTH,
    )
    told = combined(
        lambda **told: tuple(told.values()),
        **dict.fromkeys(("first", "second", "third"), (False, True, None)),
    )

    def push(
        pushed: tuple[Change, ...],
        told: tuple[bool | None, ...],
        actor: Actor,
        protection: Protection,
        **rest: Any,
    ) -> Request:
        return Request(
            action=COMMANDS[0],
            instance=PLAIN_INSTANCE,
            actor=actor,
            changes=pushed,
            protection=as_granted_to(actor.user, protection),
            answers=answers(pushed, told),
            **rest,
        )

    return st.builds(
        push,
        pushed=changes(refs),
        told=told,
        protocol=st.sampled_from(("ssh", "http", "web")),
        actor=actors(*kinds, accounts=accounts),
        project=projects,
        protection=st.builds(Protection, BRANCH_RULES, TAG_RULES),
    )


def request(path: str | None, repository_type: str, project: Project | None, **facts: Any) -> Request:
    """Return a request whose path, if it has one, fits what was found."""
    destination = facts.pop("destination", None)
    if project is not None:
        destination = None
        if path is not None:
            path = {"project": "acme/app"}.get(repository_type, f"acme/app.{repository_type}")
    elif path is not None:
        repository_type = "project"  # what names nothing is asked for as a project (allowed 3.3)
        if "." in path or "/" not in path:
            destination = None
    else:
        destination = None
    return Request(path=path, repository_type=repository_type, project=project, destination=destination, **facts)


def requests(
    actors: st.SearchStrategy[Actor],
    instances: st.SearchStrategy[Instance],
    projects: st.SearchStrategy[Project | None],
    **domains: Sequence[Any],
) -> st.SearchStrategy[Request]:
    return st.builds(
        lambda make, **rest: make(rest),
        combined(lambda **facts: lambda rest: request(**facts, **rest), **domains),
        actor=actors,
        instance=instances,
        project=projects,
    )


def pushes_of(refs: Sequence[str], *kinds: str, **rest: Any) -> st.SearchStrategy[Request]:
    return pushes(st.sampled_from(refs), *kinds, **rest)


SITUATIONS: Mapping[str, st.SearchStrategy[Request]] = {
    "entrance": requests(
        actors(*ALL_ACTORS, accounts=True),
        INSTANCES,
        st.sampled_from((project(), project(visibility="public"), None)),
        action=(*COMMANDS * 4, "git-frobnicate", ""),
        protocol=("ssh", "http", "web"),
        path=(None, *PATHS),
        repository_type=mostly("project", "wiki", "design"),
        changes=mostly(None, CHANGE_OF_A),
    ),
    "container": requests(
        actors(*ALL_ACTORS),
        st.sampled_from((PLAIN_INSTANCE, PLAIN_INSTANCE, SSH_ONLY)),
        st.one_of(CONTAINERS, CONTAINERS, CONTAINERS, st.none()),
        action=(*COMMANDS * 3, "git-frobnicate"),
        protocol=("ssh", "http", "web"),
        repository_type=mostly("project", "wiki", "design", times=3),
        changes=mostly(None, CHANGE_OF_A),
        check_ip=(None, None, "10.1.2.3", "192.168.7.9", "172.16.0.1", "2001:db8::1", "nonsense"),
        namespace_path=mostly(None, "acme", "acme/app", "other", "", "ACME", times=4),
        path=(None, *PATHS),
        destination=DESTINATIONS,
    ),
    "certificates": requests(
        actors("key", "user", *ALL_ACTORS),
        st.just(PLAIN_INSTANCE),
        combined(
            project,
            visibility=VISIBILITIES,
            root_is_group=hardly_ever_not(2),
            root_enforces_ssh_certificates=BOTH,
            root_protocol=mostly("all", "ssh", times=5),
        ),
        action=COMMANDS,
        protocol=("ssh",),
        repository_type=mostly("project", "wiki", times=2),
        changes=mostly(None, CHANGE_OF_A, times=2),
        namespace_path=(None, "acme", "acme", "ACME", "other", "acme/app", ""),
        path=(None, "acme/app"),
    ),
    "new projects": requests(
        actors("key", "key", "user", "nobody", "deploy key"),
        st.sampled_from((PLAIN_INSTANCE, PLAIN_INSTANCE, SSH_ONLY)),
        st.none(),
        action=mostly(*COMMANDS, times=8),
        protocol=("ssh", "http", "web"),
        repository_type=("project",),
        changes=mostly(None, CHANGE_OF_A, times=7),
        check_ip=(None, "10.1.2.3", "172.16.0.1"),
        namespace_path=mostly(None, "acme", "acme/sub", "other", "", times=3),
        path=mostly("acme/app", *PATHS, times=14),
        destination=DESTINATIONS,
    ),
    "pulls": requests(
        actors("key", "key", "key", *ALL_ACTORS),
        st.just(PLAIN_INSTANCE),
        FEATURES,
        action=COMMANDS[1:],
        protocol=("ssh",),
        path=(None,),
        repository_type=mostly("project", "wiki", times=2),
        changes=(None,),
    ),
    "pushes": requests(
        st.one_of(actors("key", *ALL_ACTORS), actors(*DEPLOY_KEYS, accounts=True)),
        st.just(PLAIN_INSTANCE),
        FEATURES,
        action=COMMANDS[:1],
        protocol=("ssh",),
        path=(None,),
        repository_type=mostly("project", "wiki", times=2),
        changes=(
            None,
            CHANGE_OF_A,
            (Change(REVISIONS[0], ZERO, "refs/heads/a"),),
            (Change(REVISIONS[0], ZERO, "refs/heads/a"), Change(ZERO, REVISIONS[0], "refs/tags/a")),
            (Change(*REVISIONS[:2], "refs/tags/a"),),
        ),
    ),
    "branches": pushes_of(COVERED_BRANCHES, "key"),
    "branch names": pushes_of(BRANCHES, "key"),
    "tags": pushes_of(TAGS, "key"),
    "refs of all kinds": pushes_of(REFS, "key", "user"),
    "names of odd parts": pushes(NAMES_OF_PARTS, "key"),
    "first pushes": pushes_of((*COVERED_BRANCHES, *TAGS[:4]), "key", *DEPLOY_KEYS[:2], empty=(True,)),
    "deploy keys": pushes_of((*COVERED_BRANCHES, *TAGS[:4]), *DEPLOY_KEYS),
    "deploy keys of owners in any state": pushes_of(REFS, *DEPLOY_KEYS, accounts=True),
}
