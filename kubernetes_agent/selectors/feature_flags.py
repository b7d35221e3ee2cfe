"""The feature flags of kas, as a header carries them (contract: kubernetes-agent 2.4)."""

from internal_api.feature_flags import flag_value
from internal_api.models import InstanceSettings

_PREFIX = "kas_"


def kas_feature_flags(*, project_path: str, username: str) -> str:
    """Every stored `kas_...` flag, such as `a=true, b=false`; empty when there is none."""
    flags = InstanceSettings.current().feature_flags
    return ", ".join(
        f"{name.removeprefix(_PREFIX)}={'true' if flag_value(value, project_path=project_path, username=username) else 'false'}"
        for name, value in sorted(flags.items())
        if name.startswith(_PREFIX) and name.isascii() and name.isprintable()
    )
