"""GET /metrics."""

from ipaddress import ip_address, ip_network

from django.conf import settings
from django.http import HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.request import Request

from internal_api.errors import NotFoundError
from internal_api.metrics import exposition
from internal_api.permissions import Anyone
from internal_api.views.base import InternalViewSet


def is_monitoring(address: str) -> bool:
    """Whether metrics may be told to this peer; a unix socket has no address, and what comes through a proxy has the proxy's."""
    try:
        peer = ip_address(address)
    except ValueError:
        return False
    return any(peer in ip_network(entry, strict=False) for entry in settings.MONITORING_ALLOWLIST)


class MetricsViewSet(InternalViewSet):
    """What Prometheus reads; to everybody else there is no such page (contract: decisions 21a)."""

    permission_classes = [Anyone]

    def retrieve(self, request: Request) -> HttpResponse:
        is_forwarded = "HTTP_X_FORWARDED_FOR" in request.META
        if is_forwarded or not is_monitoring(request.META.get("REMOTE_ADDR", "")):
            raise NotFoundError
        body = exposition()
        return HttpResponse(body, content_type=CONTENT_TYPE_LATEST, headers={"Content-Length": str(len(body))})
