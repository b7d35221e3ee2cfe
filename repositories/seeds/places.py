"""The `storages`, `groups` and `projects` sections of a seed file: rows, routes, members and deploy keys."""

from typing import Any

from django.db.models import ProtectedError, RestrictedError

from accounts.models import KeyKind, SSHKey, User
from accounts.seeds import parse
from accounts.services.ssh_keys import add_deploy_key
from internal_api.models.instance_settings import BranchLevel
from internal_api.seeding import Entry, Report, Section, SeedError, register_key, register_section
from internal_api.seeding.entries import (
    Parser,
    any_text,
    boolean,
    children,
    choice,
    day,
    integer,
    located,
    mapping,
    moment,
    optional,
    text,
    texts,
)
from internal_api.seeding.rows import checked, matched_row, new_id, update
from internal_api.stored_values import create_row
from repositories.models import (
    AccessLevel,
    FeatureLevel,
    GitProtocolChoice,
    MemberState,
    Namespace,
    Project,
    ProjectCreationLevel,
    Storage,
    Visibility,
)
from repositories.selectors.namespaces import find_group, find_namespace, find_project
from repositories.services.access import (
    grant_deploy_key,
    remove_member,
    set_member,
    share_with,
    unshare_with,
    withdraw_deploy_key,
)
from repositories.services.namespaces import create_group
from repositories.services.projects import add_redirect, create_project
from repositories.services.repository_creation import not_made, provide_repositories

ROLES = {level.name.lower(): level.value for level in AccessLevel}


_GROUP: dict[str, Parser] = {
    "name": checked(Namespace, "name", text),
    "visibility": choice(Visibility.values),
    "archived": boolean,
    "project_creation_level": choice(ProjectCreationLevel.values),
    "default_branch_push": optional(choice(BranchLevel.values)),
    "default_branch_merge": optional(choice(BranchLevel.values)),
    "developer_can_initial_push": boolean,
}
_TOP_LEVEL_GROUP: dict[str, Parser] = {
    "enabled_git_access_protocol": choice(GitProtocolChoice.values),
    "ip_allowlist": checked(Namespace, "ip_allowlist", texts),
    "enforce_ssh_certificates": boolean,
    "disable_ssh_keys": boolean,
    "verified_email_domains": checked(Namespace, "verified_email_domains", texts),
}
_PROJECT: dict[str, Parser] = {
    "name": checked(Project, "name", text),
    "description": any_text,
    "visibility": choice(Visibility.values),
    "archived": boolean,
    "repository_access_level": choice(FeatureLevel.values),
    "wiki_access_level": choice(FeatureLevel.values),
    "lfs_enabled": boolean,
    "merge_requests_enabled": boolean,
    "printing_merge_request_link_enabled": boolean,
}
_REPOSITORY: dict[str, Parser] = {
    "relative_path": optional(checked(Project, "relative_path", text)),
    "exists": boolean,
    "wiki_exists": boolean,
    "empty": boolean,
    "read_only": boolean,
    "default_branch": checked(Project, "default_branch", text),
}
_DEPLOY_KEY = {"id", "title", "key", "can_push", "owner", "expires_at"}


def load_storage(report: Report, entry: Entry) -> Storage | None:
    """Make or change one storage."""
    name = entry.read("name", text)
    row = Storage.objects.filter(name=name).first()
    if entry.is_absent:
        _remove(report, entry, "storages", row)
        return None
    address = checked(Storage, "gitaly_address", text)
    values = entry.fields({"gitaly_address": address, "gitaly_token": optional(checked(Storage, "gitaly_token", text))})
    if row is None:
        row = create_row(Storage, name=name, **values)
        report.count("storages", "created")
    else:
        report.changed("storages", update(row, values))
    return row


def _remove(report: Report, entry: Entry, kind: str, row: Any) -> None:
    if row is not None:
        try:
            row.delete()
        except (ProtectedError, RestrictedError) as error:
            raise SeedError(entry.path, "is still in use, and is not removed") from error
    report.count(kind, "unchanged" if row is None else "removed")


def load_group(report: Report, entry: Entry) -> Namespace | None:
    """Make or change one group; its parent is there already, since shorter paths come first."""
    full_path = entry.read("path", text)
    row: Namespace | None = matched_row(entry, Namespace.objects.all(), find_namespace(full_path), f"group {full_path!r}")
    if entry.is_absent:
        _remove(report, entry, "groups", row)
        return None
    if row is not None and not row.is_group:
        raise entry.problem("path", f"{full_path!r} is a user's own namespace")
    parent_path, _, path = full_path.rpartition("/")
    values = {**entry.fields(_GROUP), **_top_level_values(entry, is_top_level=not parent_path)}
    if row is not None:
        report.changed("groups", update(row, values))
        return row
    parent = find_group(parent_path) if parent_path else None
    if parent_path and parent is None:
        raise entry.problem("path", f"there is no group {parent_path!r}")
    row = create_group(path=path, parent=parent, **values, **new_id(entry))
    report.count("groups", "created")
    return row


def _top_level_values(entry: Entry, *, is_top_level: bool) -> dict[str, Any]:
    values = entry.fields(_TOP_LEVEL_GROUP)
    misplaced = next((key for key, value in values.items() if not is_top_level and value not in ([], False, "all")), None)
    if misplaced:
        raise entry.problem(misplaced, "is for top-level groups")
    return values


def load_project(report: Report, entry: Entry) -> Project | None:
    """Make or change one project."""
    full_path = entry.read("path", text)
    row: Project | None = matched_row(entry, Project.objects.all(), find_project(full_path), f"project {full_path!r}")
    if entry.is_absent:
        _remove(report, entry, "projects", row)
        return None
    values = {**entry.fields(_PROJECT), **_repository_values(entry)}
    is_new = row is None
    if row is None:
        row = _new_project(entry, full_path, values)
        report.count("projects", "created")
    else:
        report.changed("projects", update(row, values))
    is_wanted = (is_new and "rows_only" not in report.options) or "create_repositories" in report.options
    if is_wanted and row.repository_exists:
        report.postpone(_create_repositories, (row.pk, is_new and "default_branch" not in values))
    return row


def _create_repositories(report: Report, wanted: list[tuple[int, bool]]) -> None:
    """Make the repositories of projects by their ids; a new project for which the file names no default branch follows HEAD."""
    adopting = dict(wanted)
    missing = provide_repositories(
        Project.objects.filter(pk__in=adopting),
        adopt=adopting,
        made=lambda was_missing: report.count("repositories", "created" if was_missing else "unchanged"),
        progress=lambda done, total: report.progress("repositories", done, total),
    )
    report.notes += not_made(missing)


def _new_project(entry: Entry, full_path: str, values: dict[str, Any]) -> Project:
    namespace_path, _, path = full_path.rpartition("/")
    namespace = find_namespace(namespace_path).first()
    if namespace is None:
        raise entry.problem("path", f"there is no namespace {namespace_path!r}")
    return create_project(path=path, namespace=namespace, **values, **new_id(entry))


def _repository_values(entry: Entry) -> dict[str, Any]:
    if "repository" not in entry:
        return {}
    inner = Entry(entry.values["repository"], entry.at("repository"), {"storage", *_REPOSITORY})
    values = inner.fields(_REPOSITORY)
    if "exists" in values:
        values["repository_exists"] = values.pop("exists")
    if "storage" in inner:
        name = inner.read("storage", text)
        values["storage"] = Storage.objects.filter(name=name).first()
        if values["storage"] is None:
            raise inner.problem("storage", f"there is no storage {name!r}")
    return values


def _user(username: str, path: str) -> User:
    user: User | None = User.matching_username(username).first()
    if user is None:
        raise SeedError(path, f"there is no user {username!r}")
    return user


def load_members(report: Report, place: Namespace | Project, entry: Entry, key: str) -> None:
    """Make or change memberships: `ann: developer`, or a mapping with `access_level`, `state`, `expires_at`."""
    for username, value in mapping(entry.values[key], entry.at(key)).items():
        path = f"{entry.at(key)}.{username}"
        user = _user(username, path)
        member = Entry(
            value if isinstance(value, dict) else {"access_level": value}, path, {"access_level", "state", "expires_at", "absent"}
        )
        if member.is_absent:
            report.count("members", "removed" if remove_member(place, user) else "unchanged")
            continue
        level = ROLES[member.read("access_level", choice(ROLES)) if isinstance(value, dict) else choice(ROLES)(value, path)]
        state = member.get("state", choice(MemberState.values), MemberState.ACTIVE)
        with located(path):
            report.changed("members", set_member(place, user, level, state=state, expires_at=member.get("expires_at", optional(day))))


def load_shares(report: Report, place: Namespace | Project, entry: Entry, key: str) -> None:
    """Make or change invitations of groups: `other/group: developer`."""
    for group_path, value in mapping(entry.values[key], entry.at(key)).items():
        path = f"{entry.at(key)}.{group_path}"
        group = find_group(group_path)
        if group is None:
            raise SeedError(path, f"there is no group {group_path!r}")
        if isinstance(value, dict) and Entry(value, path, {"absent"}).is_absent:
            report.count("shares", "removed" if unshare_with(place, group) else "unchanged")
            continue
        with located(path):
            report.changed("shares", share_with(place, group, ROLES[choice(ROLES)(value, path)]))


def load_redirects(report: Report, project: Project, entry: Entry, key: str) -> None:
    """Let former paths lead to the project."""
    for path in entry.read(key, texts):
        report.count("redirects", "created" if add_redirect(project, path.strip("/")) else "unchanged")


def load_deploy_keys(report: Report, project: Project, entry: Entry, key: str) -> None:
    """Enable deploy keys for the project; the same key in two projects is one key with two grants."""
    for child in children(entry.values[key], entry.at(key), _DEPLOY_KEY):
        with located(child.path):
            load_deploy_key(report, project, child)


def load_deploy_key(report: Report, project: Project, entry: Entry) -> None:
    """Make or change one deploy key and its grant."""
    row = SSHKey.objects.filter(fingerprint=parse(entry).fingerprint).first()
    if entry.is_absent:
        report.count("deploy_keys", "removed" if row and withdraw_deploy_key(project, row) else "unchanged")
        return
    values = entry.fields({"title": text, "expires_at": optional(moment)})
    if "owner" in entry:
        owner = entry.read("owner", optional(text))
        values["owner"] = _user(owner, entry.at("owner")) if owner else None
    if row is None:
        row = add_deploy_key(key=entry.values["key"], rules=(report.former, None), may_be_expired=True, **values, **new_id(entry))
        report.count("deploy_keys", "created")
    else:
        _change_deploy_key(report, row, entry, values)
    grant_deploy_key(project, row, can_push=entry.get("can_push", boolean, default=False))


def _change_deploy_key(report: Report, row: SSHKey, entry: Entry, values: dict[str, Any]) -> None:
    if row.kind != KeyKind.DEPLOY:
        raise entry.problem("key", "belongs to a user; a deploy key is a key of its own")
    if entry.get("id", integer, row.pk) != row.pk:
        raise entry.problem("id", f"the key has the id {row.pk} already")
    if "owner" in values:
        values["user"] = values.pop("owner")
    report.changed("deploy_keys", update(row, values))


def _depth(entry: Entry) -> int:
    path = entry.values.get("path")
    return path.count("/") if isinstance(path, str) else 0


def register() -> None:
    """Make the sections and their keys known."""
    register_section(Section("storages", order=10, keys={"name", "gitaly_address", "gitaly_token"}, load=load_storage))
    group_keys = {"id", "path", *_GROUP, *_TOP_LEVEL_GROUP}
    register_section(Section("groups", order=30, keys=group_keys, load=load_group, sort_key=_depth, model=Namespace))
    project_keys = {"id", "path", "repository", *_PROJECT}
    register_section(Section("projects", order=40, keys=project_keys, load=load_project, model=Project))
    for section in ("groups", "projects"):
        register_key(section, "members", 100, load_members)
        register_key(section, "shared_with", 110, load_shares)
    register_key("projects", "redirects_from", 120, load_redirects)
    register_key("projects", "deploy_keys", 130, load_deploy_keys, model=SSHKey)
