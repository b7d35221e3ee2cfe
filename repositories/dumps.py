"""Storages, groups and projects in a dumped seed file."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.db.models import Prefetch, QuerySet

from accounts.models import User
from internal_api.models import InstanceSettings
from internal_api.seeding.dump import SectionDump, columns, grouped, in_batches, register_key_dump, register_section_dump
from repositories.models import (
    WEBHOOK_EVENTS,
    AccessLevel,
    DeployKeyGrant,
    EnterpriseUser,
    ErrorTrackingKey,
    GroupLink,
    GroupSSHCertificate,
    Member,
    Namespace,
    NamespaceKind,
    Project,
    ProtectedBranch,
    ProtectedRefGrant,
    ProtectedTag,
    RedirectRoute,
    Storage,
    Webhook,
)
from repositories.services.protected_refs import LEVELS

_ROLES = {level.value: level.name.lower() for level in AccessLevel}
_LEVEL_NAMES = {number: name for name, number in LEVELS.items()}
_GROUP = (
    "id",
    "name",
    "visibility",
    "archived",
    "project_creation_level",
    "default_branch_push",
    "default_branch_merge",
    "developer_can_initial_push",
)
_TOP_LEVEL = ("enabled_git_access_protocol", "ip_allowlist", "enforce_ssh_certificates", "disable_ssh_keys", "verified_email_domains")
_PROJECT = (
    "id", "name", "description", "visibility", "archived", "repository_access_level", "wiki_access_level", "lfs_enabled",
    "merge_requests_enabled", "printing_merge_request_link_enabled",
)  # fmt: skip


Batches = Iterator[list[tuple[Any, dict[str, Any]]]]
Lists = dict[int, list[Any]]


def _storages() -> Batches:
    for batch in in_batches(Storage.objects.all()):
        yield [(storage, columns(storage, "name", "gitaly_address")) for storage in batch]


def _all_groups() -> QuerySet[Namespace]:
    return Namespace.objects.filter(kind=NamespaceKind.GROUP).select_related("route")


def _groups() -> Batches:
    for batch in in_batches(_all_groups(), "route__path"):
        yield [(group, _group(group)) for group in batch]


def _group(group: Namespace) -> dict[str, Any]:
    names = _GROUP if group.parent_id is not None else (*_GROUP, *_TOP_LEVEL)
    return {"path": group.route.path, **columns(group, *names)}


def _projects() -> Batches:
    for batch in in_batches(Project.objects.select_related("route", "storage"), "route__path"):
        yield [(project, _project(project)) for project in batch]


def _project(project: Project) -> dict[str, Any]:
    repository = {
        "storage": project.storage.name,
        "exists": project.repository_exists,
        **columns(project, "relative_path", "wiki_exists", "empty", "read_only", "default_branch"),
    }
    return {"path": project.route.path, **columns(project, *_PROJECT), "repository": repository}


class _Of:
    """What the children of groups or of projects say: `column` is theirs that names the owner."""

    def __init__(self, column: str) -> None:
        self._id = f"{column}_id"
        self._in = f"{column}__in"

    def members(self, owners: Sequence[Any]) -> dict[int, dict[str, Any]]:
        """By username."""
        found: dict[int, dict[str, Any]] = {}
        rows = Member.objects.filter(**{self._in: owners}).order_by("user__username")
        for owner, username, level, state, expires_at in rows.values_list(
            self._id, "user__username", "access_level", "state", "expires_at"
        ):
            found.setdefault(owner, {})[username] = {"access_level": _ROLES[level], "state": state, "expires_at": expires_at}
        return found

    def shares(self, owners: Sequence[Any]) -> dict[int, dict[str, str]]:
        """By the invited group's path."""
        found: dict[int, dict[str, str]] = {}
        rows = GroupLink.objects.filter(**{self._in: owners}).order_by("group__route__path")
        for owner, path, level in rows.values_list(self._id, "group__route__path", "access_level"):
            found.setdefault(owner, {})[path] = _ROLES[level]
        return found

    def branches(self, owners: Sequence[Any]) -> Lists:
        """By name."""
        rules = ProtectedBranch.objects.filter(**{self._in: owners}).prefetch_related(_with_grants()).order_by("name")
        return grouped((getattr(rule, self._id), _branch(rule)) for rule in rules)

    def webhooks(self, owners: Sequence[Any]) -> Lists:
        """Without their tokens, which are secrets."""
        rows = Webhook.objects.filter(**{self._in: owners}).order_by("pk")
        return grouped((getattr(row, self._id), _webhook(row)) for row in rows)


def _with_grants() -> "Prefetch[Any, Any, Any]":
    return Prefetch("grants", ProtectedRefGrant.objects.select_related("user", "group__route", "deploy_key"))


def _grantee(grant: ProtectedRefGrant) -> Any:
    if grant.user is not None:
        return {"user": grant.user.username}
    if grant.group is not None:
        return {"group": grant.group.route.path}
    if grant.deploy_key is not None:
        return {"deploy_key": grant.deploy_key.title}
    return _LEVEL_NAMES[grant.access_level or 0]


def _grants(grants: Iterable[ProtectedRefGrant], kind: str) -> list[Any]:
    return sorted((_grantee(grant) for grant in grants if grant.kind == kind), key=str)


def _branch(rule: ProtectedBranch) -> dict[str, Any]:
    grants = list(rule.grants.all())
    return {
        "name": rule.name,
        "push": _grants(grants, "push"),
        "merge": _grants(grants, "merge"),
        "allow_force_push": rule.allow_force_push,
    }


def _tags(projects: Sequence[Project]) -> Lists:
    rules = ProtectedTag.objects.filter(project__in=projects).prefetch_related(_with_grants()).order_by("name")
    return grouped((rule.project_id, {"name": rule.name, "create": _grants(rule.grants.all(), "create")}) for rule in rules)


def _deploy_keys(projects: Sequence[Project]) -> Lists:
    grants = DeployKeyGrant.objects.filter(project__in=projects).select_related("key__user").order_by("key")
    return grouped((grant.project_id, _deploy_key(grant)) for grant in grants)


def _deploy_key(grant: DeployKeyGrant) -> dict[str, Any]:
    owner = grant.key.user.username if grant.key.user else None
    return {**columns(grant.key, "id", "title", "key", "expires_at"), "can_push": grant.can_push, "owner": owner}


def _certificates(groups: Sequence[Namespace]) -> Lists:
    rows = GroupSSHCertificate.objects.filter(group__in=groups).order_by("pk")
    return grouped((row.group_id, columns(row, "id", "title", "key")) for row in rows)


def _enterprise_groups(users: Sequence[User]) -> dict[int, str]:
    rows = EnterpriseUser.objects.filter(user__in=users).select_related("group__route")
    return {row.user_id: row.group.route.path for row in rows}


def _webhook(row: Webhook) -> dict[str, Any]:
    return {**columns(row, "url", "active"), "events": [name for name, column in WEBHOOK_EVENTS.items() if getattr(row, column)]}


def _webhooks_of_instance(rows: Sequence[InstanceSettings]) -> Lists:
    return {rows[0].pk: [_webhook(row) for row in Webhook.objects.filter(instance=True).order_by("pk")]}


def _redirects(projects: Sequence[Project]) -> Lists:
    found = grouped(RedirectRoute.objects.filter(project__in=projects).values_list("project_id", "path"))
    return {project: sorted(paths) for project, paths in found.items()}


def _error_tracking_keys(projects: Sequence[Project]) -> Lists:
    rows = ErrorTrackingKey.objects.filter(project__in=projects).order_by("public_key")
    return grouped((row.project_id, columns(row, "public_key", "active")) for row in rows)


def register() -> None:
    """Make the sections and the keys known."""
    register_section_dump(SectionDump("storages", 10, _storages, Storage.objects.count))
    register_section_dump(SectionDump("groups", 30, _groups, lambda: _all_groups().count()))
    register_section_dump(SectionDump("projects", 40, _projects, Project.objects.count))
    register_key_dump("instance", "webhooks", _webhooks_of_instance)
    for section, of in (("groups", _Of("namespace")), ("projects", _Of("project"))):
        register_key_dump(section, "members", of.members)
        register_key_dump(section, "shared_with", of.shares)
        register_key_dump(section, "protected_branches", of.branches)
        register_key_dump(section, "webhooks", of.webhooks)
    register_key_dump("groups", "ssh_certificates", _certificates)
    register_key_dump("users", "enterprise_group", _enterprise_groups)
    register_key_dump("projects", "redirects_from", _redirects)
    register_key_dump("projects", "deploy_keys", _deploy_keys)
    register_key_dump("projects", "protected_tags", _tags)
    register_key_dump("projects", "error_tracking_keys", _error_tracking_keys)
