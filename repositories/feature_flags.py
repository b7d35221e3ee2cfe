"""Gitaly's feature flags, as the answer of /allowed carries them (contract: allowed 6, `features`)."""

from collections.abc import Mapping
from typing import Any

_PREFIX = "gitaly_"


def gitaly_features(flags: Mapping[str, Any], *, project_path: str, username: str | None) -> dict[str, str]:
    """Every stored `gitaly_...` flag as `gitaly-feature-...` with "true" or "false": strings, or GitLab Shell cannot read the answer."""
    return {
        "gitaly-feature-" + name.removeprefix(_PREFIX).replace("_", "-"): "true" if _is_on(value, project_path, username) else "false"
        for name, value in flags.items()
        if name.startswith(_PREFIX)
    }


def _is_on(value: Any, project_path: str, username: str | None) -> bool:
    if not isinstance(value, Mapping):
        return value is True
    path = project_path.lower()
    return (
        any(path == project.lower() for project in value.get("projects", ()))
        or any(path.startswith(f"{group.lower()}/") for group in value.get("groups", ()))
        or (username is not None and username in value.get("users", ()))
    )
