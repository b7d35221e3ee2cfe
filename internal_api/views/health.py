"""GET /livez, /readyz, and GitLab's /-/liveness and /-/readiness (contract: decisions 21a)."""

from http import HTTPStatus

from rest_framework.request import Request

from internal_api.health import database_state, readiness
from internal_api.permissions import Anyone
from internal_api.responses import JSONResponse
from internal_api.views.base import InternalViewSet


class HealthViewSet(InternalViewSet):
    """Pages that anyone may read."""

    permission_classes = [Anyone]

    def live(self, request: Request) -> JSONResponse:
        """The process answers."""
        return JSONResponse({"status": "ok"})

    def ready(self, request: Request) -> JSONResponse:
        """What it needs is there; 503 while something is not. A database that can only be read still serves pulls."""
        checks = readiness()
        is_ready = all(checks.values())
        status = HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE
        body = {"status": "ok" if is_ready else "failed", "checks": checks, "database": database_state().value}
        return JSONResponse(body, status=status)
