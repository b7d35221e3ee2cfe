"""GET /livez, /readyz, and GitLab's /-/liveness and /-/readiness (contract: decisions 21a)."""

from http import HTTPStatus

from rest_framework.request import Request

from internal_api.health import node_state
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
        """What it needs is there; 503 while something is not, and once the node is about to stop.

        Still ready, and degraded: a database that can only be read, which serves pulls, and a Redis or a read replica that cannot be used.
        """
        found = node_state()
        body = {
            "status": found.status.value,
            "checks": found.checks,
            "database": found.database.value,
            "shared_store": found.shared_store.value,
        }
        if found.replica is not None:
            body["replica"] = found.replica.value
        return JSONResponse(body, status=HTTPStatus.OK if found.is_ready else HTTPStatus.SERVICE_UNAVAILABLE)
