"""Which keys may report errors (contract: shell-endpoints 12)."""

from internal_api.feature_flags import is_enabled
from internal_api.models import InstanceSettings
from repositories.models import ErrorTrackingKey, Route

_FLAG = "gitlab_error_tracking"


def error_tracking_is_enabled(project_id: int, public_key: str) -> bool | None:
    """Whether the key is an active one of that project and error tracking is on; None when there is no such project."""
    path = Route.objects.filter(project_id=project_id).values_list("path", flat=True).first()
    if path is None:
        return None
    settings = InstanceSettings.current()
    if not settings.error_tracking_enabled or not is_enabled(settings.feature_flags, _FLAG, project_path=path):
        return False
    return ErrorTrackingKey.objects.filter(project_id=project_id, public_key=public_key, active=True).exists()
