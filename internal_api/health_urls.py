"""Health and metrics, at the top of the address."""

from django.urls import path

from internal_api.views.health import HealthViewSet
from internal_api.views.metrics import MetricsViewSet

_live, _ready = HealthViewSet.as_view({"get": "live"}), HealthViewSet.as_view({"get": "ready"})
urlpatterns = [
    path("livez", _live),
    path("readyz", _ready),
    path("-/liveness", _live),
    path("-/readiness", _ready),
    path("metrics", MetricsViewSet.as_view({"get": "retrieve"})),
]
