"""GET /metrics."""

from django.conf import settings
from django.http import HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.request import Request

from internal_api.errors import NotFoundError
from internal_api.metrics import exposition
from internal_api.peers import is_within
from internal_api.permissions import Anyone
from internal_api.views.base import InternalViewSet


class MetricsViewSet(InternalViewSet):
    """What Prometheus reads; to everybody else there is no such page (contract: decisions 21a)."""

    permission_classes = [Anyone]

    def retrieve(self, request: Request) -> HttpResponse:
        # A unix socket has no address, and what comes through a proxy has the proxy's: neither is told.
        is_forwarded = "HTTP_X_FORWARDED_FOR" in request.META
        if is_forwarded or not is_within(request.META.get("REMOTE_ADDR", ""), settings.MONITORING_ALLOWLIST):
            raise NotFoundError
        body = exposition()
        return HttpResponse(body, content_type=CONTENT_TYPE_LATEST, headers={"Content-Length": str(len(body))})
