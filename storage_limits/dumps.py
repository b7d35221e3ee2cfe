"""Limits, sizes and exclusions in a dumped seed file."""

from collections.abc import Sequence
from typing import Any

from accounts.models import User
from internal_api.seeding.dump import columns, register_key_dump
from repositories.models import Namespace, Project
from storage_limits.models import LimitExclusion


def _limits_of_users(users: Sequence[User]) -> dict[int, int]:
    rows = Namespace.objects.filter(owner__in=users).only("owner_id", "storage_limit")
    return {row.owner_id: row.storage_limit for row in rows if row.owner_id is not None}


def _exclusions_of_users(users: Sequence[User]) -> dict[int, dict[str, Any]]:
    rows = LimitExclusion.objects.filter(namespace__owner__in=users).select_related("namespace")
    return {row.namespace.owner_id: columns(row, "id", "reason") for row in rows if row.namespace.owner_id is not None}


def _exclusions_of_groups(groups: Sequence[Namespace]) -> dict[int, dict[str, Any]]:
    return {row.namespace_id: columns(row, "id", "reason") for row in LimitExclusion.objects.filter(namespace__in=groups)}


def _limits_of_groups(groups: Sequence[Namespace]) -> dict[int, int]:
    return {group.pk: group.storage_limit for group in groups}


def _sizes(projects: Sequence[Project]) -> dict[int, int]:
    return {project.pk: project.storage_size for project in projects}


def register() -> None:
    """Make the keys known."""
    register_key_dump("projects", "storage_size", _sizes)
    register_key_dump("users", "storage_limit", _limits_of_users)
    register_key_dump("groups", "storage_limit", _limits_of_groups)
    register_key_dump("users", "storage_limit_exclusion", _exclusions_of_users)
    register_key_dump("groups", "storage_limit_exclusion", _exclusions_of_groups)
