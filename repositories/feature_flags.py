"""Gitaly's feature flags, as the answer of /allowed carries them (contract: allowed 6, `features`)."""

from collections.abc import Mapping
from typing import Any

from internal_api.feature_flags import flag_value

_PREFIX = "gitaly_"


def gitaly_features(flags: Mapping[str, Any], *, project_path: str, username: str | None) -> dict[str, str]:
    """Every stored `gitaly_...` flag as `gitaly-feature-...` with "true" or "false": strings, or GitLab Shell cannot read the answer."""
    return {
        "gitaly-feature-" + name.removeprefix(_PREFIX).replace("_", "-"): (
            "true" if flag_value(value, project_path=project_path, username=username) else "false"
        )
        for name, value in flags.items()
        if name.startswith(_PREFIX)
    }
