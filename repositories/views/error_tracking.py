"""POST /error_tracking/allowed."""

from rest_framework.request import Request

from internal_api.errors import NotFoundError, UnprocessableError
from internal_api.http.requests import KIB
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet
from repositories.authentication import ErrorTrackingAuthentication
from repositories.selectors.error_tracking import error_tracking_is_enabled


class ErrorTrackingViewSet(ShellViewSet):
    """POST /api/v4/internal/error_tracking/allowed: may this key report errors of this project (contract: shell-endpoints 12)."""

    authentication_classes = [ErrorTrackingAuthentication]
    body_limit = 64 * KIB

    def create(self, request: Request) -> JSONResponse:
        parameters = self.parameters()
        project_id, public_key = parameters.text("project_id"), parameters.text("public_key")
        if not (project_id or "").strip() or public_key is None or not public_key.strip():
            raise UnprocessableError("422 Unprocessable Entity")
        enabled = error_tracking_is_enabled(parameters.record_id("project_id") or 0, public_key)
        if enabled is None:
            raise NotFoundError("404 Not found")
        return JSONResponse({"enabled": enabled})
