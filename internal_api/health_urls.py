"""Health, metrics and documentation, at the top of the address."""

from django.urls import path

from internal_api.views.health import HealthViewSet
from internal_api.views.metrics import MetricsViewSet
from internal_api.views.schema import ReferenceViewSet, SchemaViewSet

_live, _ready = HealthViewSet.as_view({"get": "live"}), HealthViewSet.as_view({"get": "ready"})
urlpatterns = [
    path("livez", _live),
    path("readyz", _ready),
    path("-/liveness", _live),
    path("-/readiness", _ready),
    path("api/schema", SchemaViewSet.as_view({"get": "retrieve"})),
    path("docs", ReferenceViewSet.as_view({"get": "retrieve"})),
    path("metrics", MetricsViewSet.as_view({"get": "node"})),
    path("metrics/database", MetricsViewSet.as_view({"get": "database"})),
]
