"""Random situations to decide: requests made of small domains, so that they collide.

The first value of each domain is the plainest, and a situation is made smaller towards it. `mostly`
draws the plain value more often than the others, since a request with several faults is refused by
the first of them and says nothing about the rest.

Not Hypothesis' strategies: it repeats and varies what it has drawn, to follow a program's branches.
Of 750 pulls drawn by it 432 differed, and rules broken on purpose went unnoticed; a draw also costs
it as much as twenty decisions. Here every draw is independent.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Any, TypeVar

from repositories.policy import (
    AccessRequest,
    Actor,
    BranchRule,
    Change,
    Destination,
    GitQuery,
    Grants,
    HasNewCommits,
    Instance,
    IsForced,
    Key,
    KeyKind,
    LacksLFSObjects,
    Project,
    Protection,
    TagRule,
    User,
)

Value = TypeVar("Value")

URL = "https://git.example.com"

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


class Choices:
    """Picks out of domains at random, and remembers what; or repeats earlier picks, 0 after them."""

    def __init__(self, random: Random | None = None, repeated: Sequence[int] = ()) -> None:
        self.picks: list[int] = []
        self._random = random
        self._repeated = repeated

    def pick(self, domain: Sequence[Value]) -> Value:
        if self._random is not None:
            number = int(self._random.random() * len(domain))
        else:
            place = len(self.picks)
            number = self._repeated[place] if place < len(self._repeated) else 0
            number = min(number, len(domain) - 1)
        self.picks.append(number)
        return domain[number]


Drawn = Callable[[Choices], Value]


def combined(make: Callable[..., Value], **domains: Sequence[Any]) -> Drawn[Value]:
    """Draw keyword arguments of a class or function, each out of its domain."""
    return lambda choices: make(**{name: choices.pick(domain) for name, domain in domains.items()})


def one_of(*domain: Value) -> Drawn[Value]:
    return lambda choices: choices.pick(domain)


def several(drawn: Drawn[Value], numbers: Sequence[int]) -> Drawn[tuple[Value, ...]]:
    return lambda choices: tuple(drawn(choices) for _ in range(choices.pick(numbers)))


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


def actors(*kinds: str, accounts: bool = False) -> Drawn[Actor]:
    """Draw who acts: nobody, a user, a user's key or a deploy key; with `accounts` with faults."""

    def draw(choices: Choices) -> Actor:
        kind = choices.pick(kinds)
        if kind == "nobody":
            return Actor()
        person = (ACCOUNTS if accounts else USERS)(choices)
        if kind == "user":
            return Actor(None, person)
        faults: dict[str, Any] = {}
        if accounts:
            faults["problem"] = choices.pick(mostly(None, "must be at least 4096 bits", times=9))
            faults["expired"] = choices.pick(rarely())
        if kind == "key":
            return Actor(Key(3, **faults), person)
        grant: dict[str, Any] = {"enabled": choices.pick(hardly_ever_not(5)), "can_push": choices.pick(hardly_ever_not(5))}
        return Actor(Key(3, KeyKind.DEPLOY, **grant, **faults), person if kind == "deploy key" else None)

    return draw


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
    has_unreadable_rules=rarely(7),
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


def protection(patterns: Sequence[str]) -> Drawn[Protection]:
    """Draw up to three rules for branches and two for tags."""

    def branch_rule(choices: Choices) -> BranchRule:
        return BranchRule(choices.pick(patterns), GRANTS(choices), GRANTS(choices), choices.pick(BOTH))

    def tag_rule(choices: Choices) -> TagRule:
        return TagRule(choices.pick(patterns), GRANTS(choices))

    branch_rules, tag_rules = several(branch_rule, range(4)), several(tag_rule, range(3))
    return lambda choices: Protection(branch_rules(choices), tag_rules(choices))


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


def names_of_parts(choices: Choices) -> str:
    return choices.pick(PREFIXES[:2]) + "".join(several(one_of(*NAME_PARTS), (1, 2, 3, 4))(choices))


CHANGE_OF_A = (Change(*REVISIONS[:2], "refs/heads/a"),)


def changes(refs: Drawn[str]) -> Drawn[tuple[Change, ...]]:
    def change(choices: Choices) -> Change:
        kind = choices.pick(("update", "create", "delete"))
        old, new = choices.pick(REVISIONS), choices.pick(REVISIONS)
        if choices.pick(rarely(14)):  # SHA-256
            old, new = old.ljust(64, old[0]), new.ljust(64, new[0])
        zero = "0" * len(old)
        old, new = (zero if kind == "create" else old), (zero if kind == "delete" else new)
        return Change(old, new, refs(choices))

    return several(change, (1, 1, 2, 3))


def answers(pushed: tuple[Change, ...], choices: Choices) -> dict[GitQuery, bool]:
    """Draw what Git was asked so far about these changes, and what it answered."""
    given: dict[GitQuery, bool] = {}
    for change in pushed:
        answer = choices.pick((False, True, None))
        if answer is not None:
            given[HasNewCommits(change.newrev)] = answer
            given[IsForced(change.oldrev, change.newrev)] = answer
    return given


def with_lfs(request: AccessRequest, choices: Choices) -> AccessRequest:
    """Return the same push, to a project that may have LFS objects, with what Git said of those that are pushed."""
    if request.project is None or request.changes is None:
        return request
    is_enabled, has_objects = choices.pick(hardly_ever_not(7)), choices.pick(rarely(3))
    what = replace(request.project, lfs_enabled=is_enabled, has_lfs_objects=has_objects)
    revisions = tuple(dict.fromkeys(change.newrev for change in request.changes if set(change.newrev) != {"0"}))
    answer = choices.pick((False, True, None))
    given = request.answers if answer is None else {**request.answers, LacksLFSObjects(revisions): answer}
    return replace(request, project=what, answers=given)


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
            {"root_path": "acme", "has_unreadable_rules": True},
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
    refs: Drawn[str],
    *kinds: str,
    patterns: Sequence[str] = PATTERNS,
    empty: Sequence[bool] = rarely(14),
    accounts: bool = False,
) -> Drawn[AccessRequest]:
    """Draw what is pushed, under which protection, by somebody who mostly may."""
    projects = combined(
        project,
        visibility=mostly("private", "public"),
        repository_access_level=mostly(*LEVELS, times=15),
        default_branch=mostly("main", "v1.0", "stable"),
        empty=empty,
        default_branch_push=("maintainer", "developer", "no_one", "admin"),
        developer_can_initial_push=BOTH,
    )
    pushers, rules = actors(*kinds, accounts=accounts), protection(patterns)

    def draw(choices: Choices) -> AccessRequest:
        pushed, pusher = changes(refs)(choices), pushers(choices)
        drawn = AccessRequest(
            action=COMMANDS[0],
            protocol=choices.pick(("ssh", "http", "web")),
            actor=pusher,
            instance=PLAIN_INSTANCE,
            project=projects(choices),
            changes=pushed,
            protection=as_granted_to(pusher.user, rules(choices)),
            answers=answers(pushed, choices),
        )
        return with_lfs(drawn, choices)

    return draw


def request(path: str | None, repository_type: str, project: Project | None, **facts: Any) -> AccessRequest:
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
    return AccessRequest(path=path, repository_type=repository_type, project=project, destination=destination, **facts)


def requests(
    actors: Drawn[Actor],
    instances: Drawn[Instance],
    projects: Drawn[Project] | Drawn[Project | None],
    **domains: Sequence[Any],
) -> Drawn[AccessRequest]:
    """Draw a request to pull, or to push without a look at protected branches."""

    def draw(choices: Choices) -> AccessRequest:
        picked = {name: choices.pick(domain) for name, domain in domains.items()}
        return request(**picked, actor=actors(choices), instance=instances(choices), project=projects(choices))

    return draw


def perhaps(drawn: Drawn[Value]) -> Drawn[Value | None]:
    return lambda choices: drawn(choices) if choices.pick(mostly(True, False)) else None


SITUATIONS: Mapping[str, Drawn[AccessRequest]] = {
    "entrance": requests(
        actors(*ALL_ACTORS, accounts=True),
        INSTANCES,
        one_of(project(), project(visibility="public"), None),
        action=(*COMMANDS * 4, "git-frobnicate", ""),
        protocol=("ssh", "http", "web"),
        path=(None, *PATHS),
        repository_type=mostly("project", "wiki", "design"),
        changes=mostly(None, CHANGE_OF_A),
    ),
    "container": requests(
        actors(*ALL_ACTORS),
        one_of(PLAIN_INSTANCE, PLAIN_INSTANCE, SSH_ONLY),
        perhaps(CONTAINERS),
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
        one_of(PLAIN_INSTANCE),
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
        one_of(PLAIN_INSTANCE, PLAIN_INSTANCE, SSH_ONLY),
        one_of(None),
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
        one_of(PLAIN_INSTANCE),
        FEATURES,
        action=COMMANDS[1:],
        protocol=("ssh",),
        path=(None,),
        repository_type=mostly("project", "wiki", times=2),
        changes=(None,),
    ),
    "pushes": requests(
        actors("key", *ALL_ACTORS, accounts=True),
        one_of(PLAIN_INSTANCE),
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
    "one branch": pushes(one_of("refs/heads/main"), "key", patterns=("main", "*", "m*", "*n", "stable")),
    "one tag": pushes(one_of("refs/tags/v1.0"), "key", *DEPLOY_KEYS[:1], patterns=("v1.0", "*", "v*", "a")),
    "branches": pushes(one_of(*COVERED_BRANCHES), "key"),
    "branch names": pushes(one_of(*BRANCHES), "key"),
    "tags": pushes(one_of(*TAGS), "key"),
    "refs of all kinds": pushes(one_of(*REFS), "key", "user"),
    "names of odd parts": pushes(names_of_parts, "key"),
    "first pushes": pushes(one_of(*COVERED_BRANCHES, *TAGS[:4]), "key", *DEPLOY_KEYS[:2], empty=(True,)),
    "deploy keys": pushes(one_of(*COVERED_BRANCHES, *TAGS[:4]), *DEPLOY_KEYS),
    "deploy keys of owners in any state": pushes(one_of(*REFS), *DEPLOY_KEYS, accounts=True),
}
