"""GET /metrics and /metrics/database."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.request import Request

from internal_api.database_metrics import database_exposition
from internal_api.errors import NotFoundError
from internal_api.node_metrics import node_exposition
from internal_api.peers import is_within
from internal_api.permissions import Anyone
from internal_api.views.base import InternalViewSet


class MetricsViewSet(InternalViewSet):
    """What Prometheus reads; to everybody else there is no such page (contract: decisions 21a)."""

    permission_classes = [Anyone]

    def node(self, request: Request) -> HttpResponse:
        """Answer what this node has counted, and how it is."""
        return _page(request, node_exposition)

    def database(self, request: Request) -> HttpResponse:
        """Answer what the database knows, which is the same at each node."""
        return _page(request, database_exposition)


def _page(request: Request, exposition: Callable[[], bytes]) -> HttpResponse:
    # A unix socket has no address, and what comes through a proxy has the proxy's: neither is told.
    is_forwarded = "HTTP_X_FORWARDED_FOR" in request.META
    if is_forwarded or not is_within(request.META.get("REMOTE_ADDR", ""), settings.MONITORING_ALLOWLIST):
        raise NotFoundError
    body = exposition()
    return HttpResponse(body, content_type=CONTENT_TYPE_LATEST, headers={"Content-Length": str(len(body))})
