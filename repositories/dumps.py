"""Storages, groups and projects in a dumped seed file."""

from collections.abc import Iterable, Iterator
from typing import Any

from accounts.models import User
from internal_api.models import InstanceSettings
from internal_api.seeding.dump import columns, register_key_dump, register_section_dump
from repositories.models import (
    WEBHOOK_EVENTS,
    AccessLevel,
    EnterpriseUser,
    Namespace,
    NamespaceKind,
    Project,
    ProtectedBranch,
    ProtectedRefGrant,
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


def _storages() -> Iterator[tuple[Any, dict[str, Any]]]:
    for storage in Storage.objects.order_by("pk"):
        yield storage, columns(storage, "name", "gitaly_address")


def _groups() -> Iterator[tuple[Any, dict[str, Any]]]:
    for group in Namespace.objects.filter(kind=NamespaceKind.GROUP).select_related("route").order_by("route__path"):
        names = _GROUP if group.parent_id is not None else (*_GROUP, *_TOP_LEVEL)
        yield group, {"path": group.route.path, **columns(group, *names)}


def _projects() -> Iterator[tuple[Any, dict[str, Any]]]:
    for project in Project.objects.select_related("route", "storage").order_by("route__path"):
        repository = {
            "storage": project.storage.name,
            "exists": project.repository_exists,
            **columns(project, "relative_path", "wiki_exists", "empty", "read_only", "default_branch"),
        }
        yield project, {"path": project.route.path, **columns(project, *_PROJECT), "repository": repository}


def _members(place: Namespace | Project) -> dict[str, Any]:
    members = place.members.select_related("user").order_by("user__username")
    return {
        member.user.username: {"access_level": _ROLES[member.access_level], "state": member.state, "expires_at": member.expires_at}
        for member in members
    }


def _shares(place: Namespace | Project) -> dict[str, str]:
    links = place.shared_with.select_related("group__route").order_by("group__route__path")
    return {link.group.route.path: _ROLES[link.access_level] for link in links}


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


def _branches(place: Namespace | Project) -> list[dict[str, Any]]:
    return [_branch(rule) for rule in place.protected_branches.order_by("name")]


def _branch(rule: ProtectedBranch) -> dict[str, Any]:
    grants = list(rule.grants.select_related("user", "group__route", "deploy_key"))
    return {
        "name": rule.name,
        "push": _grants(grants, "push"),
        "merge": _grants(grants, "merge"),
        "allow_force_push": rule.allow_force_push,
    }


def _tags(project: Project) -> list[dict[str, Any]]:
    return [{"name": rule.name, "create": _grants(rule.grants.all(), "create")} for rule in project.protected_tags.order_by("name")]


def _deploy_keys(project: Project) -> list[dict[str, Any]]:
    return [
        {
            **columns(grant.key, "id", "title", "key", "expires_at"),
            "can_push": grant.can_push,
            "owner": grant.key.user.username if grant.key.user else None,
        }
        for grant in project.deploy_key_grants.select_related("key__user").order_by("key")
    ]


def _certificates(group: Namespace) -> list[dict[str, Any]]:
    return [columns(row, "id", "title", "key") for row in group.ssh_certificates.order_by("pk")]


def _enterprise_group(user: User) -> str | None:
    row = EnterpriseUser.objects.filter(user=user).select_related("group__route").first()
    return row.group.route.path if row else None


def _webhooks(place: Namespace | Project | InstanceSettings) -> list[dict[str, Any]]:
    """Without their tokens, which are secrets."""
    rows = Webhook.objects.filter(instance=True) if isinstance(place, InstanceSettings) else place.webhooks.all()
    return [
        {**columns(row, "url", "active"), "events": [name for name, column in WEBHOOK_EVENTS.items() if getattr(row, column)]}
        for row in rows.order_by("pk")
    ]


def register() -> None:
    """Make the sections and the keys known."""
    register_section_dump("storages", 10, _storages)
    register_section_dump("groups", 30, _groups)
    register_section_dump("projects", 40, _projects)
    for section in ("groups", "projects"):
        register_key_dump(section, "members", _members)
        register_key_dump(section, "shared_with", _shares)
        register_key_dump(section, "protected_branches", _branches)
    for section in ("instance", "groups", "projects"):
        register_key_dump(section, "webhooks", _webhooks)
    register_key_dump("groups", "ssh_certificates", _certificates)
    register_key_dump("users", "enterprise_group", _enterprise_group)
    register_key_dump("projects", "redirects_from", lambda project: sorted(project.redirect_routes.values_list("path", flat=True)))
    register_key_dump("projects", "deploy_keys", _deploy_keys)
    register_key_dump("projects", "protected_tags", _tags)
    register_key_dump(
        "projects",
        "error_tracking_keys",
        lambda project: [columns(key, "public_key", "active") for key in project.error_tracking_keys.order_by("public_key")],
    )
