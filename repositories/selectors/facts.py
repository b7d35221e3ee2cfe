"""The facts of one decision, gathered in one statement; one more when the path is a former one."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection

from accounts.selectors.actors import ActorReference
from accounts.selectors.otp_sessions import has_otp_session
from accounts.ssh.weakness import site_problem
from internal_api.encryption import decrypt
from internal_api.instance import settings_of_version
from internal_api.models import InstanceSettings
from internal_api.statements import Row, clock, fetch_row
from internal_api.stored_values import report_unreadable
from internal_api.text import ascii_lower
from repositories.models.storage import is_gitaly_address
from repositories.policy import Actor, Change, Instance, Key, Project, Protection, RepositoryType, Role, User, actor_can_read
from repositories.policy.addresses import readable_ranges
from repositories.policy.repository_path import Candidate, candidates, clean_path, is_relative_path, parse_gl_repository
from repositories.selectors.facts_sql import KEY_COLUMNS, PROJECT_COLUMNS, USER_COLUMNS, ContainerKind, facts_sql
from repositories.selectors.instance import instance_of
from repositories.selectors.protection import protection_of, rules_wanted

_USER = 1 + len(KEY_COLUMNS)
_PROJECT = _USER + len(USER_COLUMNS)
_STORAGE = _PROJECT + len(PROJECT_COLUMNS)
_FORMER_PATH = -3
_NAMESPACES, _PROJECTS, _STORAGES = "repositories_namespace", "repositories_project", "repositories_storage"


@dataclass(frozen=True, slots=True)
class ContainerReference:
    """The repository a request names: by id, or by the path it may have."""

    repository_type: RepositoryType = RepositoryType.PROJECT
    project_id: int | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True)
class StorageFacts:
    """Where the project's repositories are kept; `relative_path` is None for hashed storage."""

    name: str
    address: str
    token: str | None
    relative_path: str | None


@dataclass(frozen=True, slots=True)
class Facts:
    """All a decision and its answer need. `redirected_path` is set when the request named a former path.

    `protection` has the rules that could matter to what is pushed.
    """

    settings: InstanceSettings
    instance: Instance
    actor: Actor
    project: Project | None
    storage: StorageFacts | None
    repository_type: RepositoryType
    key_use_is_old: bool
    activity_is_old: bool
    protection: Protection
    redirected_path: str | None = None


def container_reference(gl_repository: str | None, path: str | None) -> ContainerReference:
    """`gl_repository` alone decides when it is there; one that cannot be read names nothing (contract: allowed 3.1)."""
    if gl_repository is not None:
        named = parse_gl_repository(gl_repository)
        if named is not None:
            return ContainerReference(named.repository_type, project_id=named.project_id)
        return ContainerReference(RepositoryType.WIKI if gl_repository.startswith("wiki-") else RepositoryType.PROJECT, project_id=0)
    return ContainerReference(path=clean_path(path or ""))


def gather(who: ActorReference, what: ContainerReference, pushed: Collection[Change] = ()) -> Facts:
    """One statement, however many refs and rules; one more for a path that no project has, since it may be a former one."""
    if what.path is None:
        row = _fetch(who, ContainerKind.ID, {"project_id": what.project_id or 0}, pushed)
        return _facts(row, what.repository_type)
    named = candidates(what.path)
    paths = {"path": ascii_lower(named[0].project_path), "shorter_path": ascii_lower(named[-1].project_path)}
    if len(named) == 1:
        row = _fetch(who, ContainerKind.PATH, {"path": paths["path"]}, pushed)
    else:
        row = _fetch(who, ContainerKind.PATH_OR_SHORTER, paths, pushed)
    if row[_PROJECT] is not None:
        return _facts(row, _type_of(named, row[_PROJECT + 1].lower()))
    row = _fetch(who, ContainerKind.FORMER_PATH, paths, pushed)
    if row[_PROJECT] is None:
        return _facts(row, named[-1].repository_type)
    return replace(_facts(row, _type_of(named, row[_FORMER_PATH])), redirected_path=what.path)


def gather_for_actor(who: ActorReference, what: ContainerReference, pushed: Collection[Change] = ()) -> Facts:
    """The same, but that a project which the actor may not know of is no reason for a path to name nothing else.

    The wiki beside a hidden `x.wiki` is found, and nothing where a hidden project once was (contract: decisions 10a).
    """
    facts = gather(who, what, pushed)
    if facts.project is None or actor_can_read(facts.actor, facts.project):
        return facts
    return _gather_besides(facts, who, what, pushed)


def _gather_besides(facts: Facts, who: ActorReference, what: ContainerReference, pushed: Collection[Change]) -> Facts:
    """What else the path names. The same facts if it can name nothing else: they say "missing" by themselves."""
    named = candidates(what.path or "")
    if len(named) > 1 and facts.repository_type == RepositoryType.PROJECT:
        other = gather(who, ContainerReference(path=named[-1].project_path), pushed)
        redirected_path = what.path if other.redirected_path is not None else None
        return replace(other, repository_type=named[-1].repository_type, redirected_path=redirected_path)
    if facts.redirected_path is not None:
        return replace(facts, project=None, storage=None, protection=Protection(), redirected_path=None)
    return facts


def _fetch(who: ActorReference, container: ContainerKind, params: dict[str, Any], pushed: Collection[Change]) -> Row:
    rules, names = rules_wanted(pushed)
    sql = facts_sql(who.kind, container, rules, connection.vendor)
    row = fetch_row(sql, {"actor": who.value, **params, **names, **clock()})
    if row is None:
        raise LookupError("The statement has a row whatever it finds.")
    return row


def _type_of(named: tuple[Candidate, ...], found: str) -> RepositoryType:
    return next(one.repository_type for one in named if ascii_lower(one.project_path) == found)


def _facts(row: Row, repository_type: RepositoryType) -> Facts:
    settings = settings_of_version(row[0])
    user = _user(row[_USER:_PROJECT], settings)
    project, storage = _project(row[_PROJECT:_STORAGE], settings), _storage(row[_STORAGE:_FORMER_PATH], row[_PROJECT])
    if project is not None and storage is None:
        project = replace(project, has_unreadable_rules=True)
    return Facts(
        settings=settings,
        instance=instance_of(settings),
        actor=Actor(_key(row[1:_USER], settings), user),
        project=project,
        storage=storage,
        repository_type=repository_type,
        key_use_is_old=bool(row[_USER - 1]),
        activity_is_old=bool(row[_USER + 13]),
        protection=protection_of(*row[_FORMER_PATH + 1 :]),
    )


def _key(row: Row, settings: InstanceSettings) -> Key | None:
    key_id, kind, key_type, bits, expired, expires_soon, enabled, can_push, _ = row
    if key_id is None:
        return None
    problem = None
    if settings.allowed_key_types or settings.minimum_key_bits:
        problem = site_problem(key_type, bits, settings.allowed_key_types, settings.minimum_key_bits)
    return Key(key_id, kind, problem, bool(expired), bool(expires_soon), bool(enabled), bool(can_push))


def _user(row: Row, settings: InstanceSettings) -> User | None:
    if row[0] is None:
        return None
    user_id, username, user_type, state, locked, admin, external, confirmed, is_new, terms, expired, no_keys, two_factor, _, *roles = row
    owner = roles.pop()
    needs_confirmation = not confirmed and (settings.email_confirmation == "hard" or (settings.email_confirmation == "soft" and not is_new))
    return User(
        user_id,
        username,
        user_type,
        state,
        bool(locked),
        bool(admin),
        bool(external),
        needs_confirmation,
        bool(terms),
        bool(expired),
        bool(no_keys),
        bool(two_factor),
        False,
        Role.OWNER if owner else max(role or 0 for role in roles),
    )


def _project(row: Row, settings: InstanceSettings) -> Project | None:
    if row[0] is None:
        return None
    project_id, full_path, visibility, archived, read_only, empty, repository, wiki, code_level, wiki_level, branch = row[:11]
    root_id, root_path, is_group, protocol, allowlist, certificates, over_limit, limit, push_level, initial_push, links, *lfs = row[11:]
    ranges = readable_ranges(allowlist)
    if ranges is None:
        report_unreadable(_NAMESPACES, "ip_allowlist", root_id)
    return Project(
        project_id,
        full_path,
        visibility,
        bool(archived),
        bool(read_only),
        bool(empty),
        bool(repository),
        bool(wiki),
        code_level,
        wiki_level,
        branch,
        root_id,
        root_path,
        bool(is_group),
        protocol,
        ranges or (),
        bool(certificates),
        bool(over_limit),
        limit,
        push_level or settings.default_branch_push,
        bool(initial_push),
        bool(links),
        lfs_enabled=bool(lfs[0]),
        has_lfs_objects=bool(lfs[1]),
        has_unreadable_rules=ranges is None,
    )


def _storage(row: Row, project_id: int | None) -> StorageFacts | None:
    """Where the project lies; None without a project, or when it cannot be read."""
    storage_id, name, address, token, relative_path = row
    if project_id is None:
        return None
    if not is_gitaly_address(address):
        report_unreadable(_STORAGES, "gitaly_address", storage_id)
        return None
    if relative_path is not None and not is_relative_path(relative_path):
        report_unreadable(_PROJECTS, "relative_path", project_id)
        return None
    try:
        return StorageFacts(name, address, decrypt(token) if token else None, relative_path)
    except ValueError:
        report_unreadable(_STORAGES, "gitaly_token", storage_id)
        return None


def with_otp_session(facts: Facts) -> Facts:
    """The same facts with the user's OTP session looked up, where the instance asks for one and it could matter."""
    user = facts.actor.account
    if not facts.instance.require_two_factor_for_git or user is None or not user.two_factor_enabled:
        return facts
    live = has_otp_session(facts.actor.key.id if facts.actor.key else None, user.id)
    return replace(facts, actor=replace(facts.actor, user=replace(user, has_otp_session=live)))
