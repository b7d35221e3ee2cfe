"""Limits, sizes and exclusions in a dumped seed file."""

from typing import Any

from accounts.models import User
from internal_api.seeding.dump import columns, register_key_dump
from repositories.models import Namespace
from storage_limits.models import LimitExclusion


def _namespace(place: Namespace | User) -> Namespace:
    return place.namespace if isinstance(place, User) else place


def _exclusion(place: Namespace | User) -> dict[str, Any] | None:
    row = LimitExclusion.objects.filter(namespace=_namespace(place)).first()
    return columns(row, "id", "reason") if row else None


def register() -> None:
    """Make the keys known."""
    register_key_dump("projects", "storage_size", lambda project: project.storage_size)
    for section in ("users", "groups"):
        register_key_dump(section, "storage_limit", lambda place: _namespace(place).storage_limit)
        register_key_dump(section, "storage_limit_exclusion", _exclusion)
