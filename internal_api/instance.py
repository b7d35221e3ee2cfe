"""The instance's settings as a process remembers them: read again when their version has changed, never stale."""

from internal_api.models import InstanceSettings

VERSION_SQL = "(SELECT s.version FROM internal_api_instancesettings s WHERE s.id = 1)"
"""Selected along with the facts of a decision, so that knowing whether the memory is fresh costs no statement."""

_remembered: dict[str, InstanceSettings] = {}


def settings_of_version(version: int | None) -> InstanceSettings:
    """The settings of that version; one statement when they have changed since this process last looked, else none."""
    remembered = _remembered.get("settings")
    if remembered is None or remembered.version != (version or 0):
        remembered = InstanceSettings.current()
        _remembered["settings"] = remembered
    return remembered


def forget() -> None:
    """Read the settings at the next look, whatever their version."""
    _remembered.clear()
