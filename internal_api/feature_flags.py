"""The instance's feature flags: on, off, or on for named projects, groups and users (seed format: `feature_flags`)."""

from collections.abc import Mapping
from typing import Any


def flag_value(value: Any, *, project_path: str | None = None, username: str | None = None) -> bool:
    """Whether a stored flag is on for this project or user."""
    if not isinstance(value, Mapping):
        return value is True
    path = (project_path or "").lower()
    return (
        bool(path)
        and (
            any(path == project.lower() for project in value.get("projects", ()))
            or any(path.startswith(f"{group.lower()}/") for group in value.get("groups", ()))
        )
    ) or (username is not None and username in value.get("users", ()))


def is_enabled(flags: Mapping[str, Any], name: str, *, project_path: str | None = None, username: str | None = None) -> bool:
    """Whether a feature is on; every feature is, until the instance's settings say otherwise."""
    return name not in flags or flag_value(flags[name], project_path=project_path, username=username)
