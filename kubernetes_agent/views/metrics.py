"""POST /kubernetes/usage_metrics and /kubernetes/agent_events."""

from rest_framework.request import Request

from internal_api.declared_parameters import DeclaredParameters
from internal_api.responses import EmptyResponse
from internal_api.views.base import KasViewSet
from kubernetes_agent.metric_names import COUNTERS, MOST_AT_ONCE, REGISTRATION, UNIQUE_THINGS, UNIQUE_USERS
from kubernetes_agent.services.metrics import ProxyUse, Registration, record_events, record_usage

_LONGEST = 255


class UsageMetricsViewSet(KasViewSet):
    """POST /api/v4/internal/kubernetes/usage_metrics: what kas has counted in the last minute (contract: kubernetes-agent 2.5)."""

    def create(self, request: Request) -> EmptyResponse:
        declared = DeclaredParameters.of(self.parameters())
        counters = declared.optional_object("counters")
        numbers = {name: counters.optional_integer(name) or 0 for name in COUNTERS}
        for name, number in numbers.items():
            if number > MOST_AT_ONCE:
                counters.complain(name, "invalid")
        lists = declared.optional_object("unique_counters")
        unique = {name: lists.optional_integers(name) for name in (*UNIQUE_THINGS, *UNIQUE_USERS)}
        declared.check()
        record_usage(numbers, unique)
        return EmptyResponse()


class AgentEventsViewSet(KasViewSet):
    """POST /api/v4/internal/kubernetes/agent_events: who used the proxy, and which agents came (contract: kubernetes-agent 2.6)."""

    def create(self, request: Request) -> EmptyResponse:
        declared = DeclaredParameters.of(self.parameters())
        events = declared.optional_object("events")
        uses = {name: [_use(item) for item in events.optional_objects(name) if item.values] for name in UNIQUE_USERS}
        registrations = [_registration(item) for item in events.optional_objects(REGISTRATION) if item.values]
        declared.check()
        record_events(uses, registrations)
        return EmptyResponse()


def _use(item: DeclaredParameters) -> ProxyUse:
    return ProxyUse(item.optional_integer("user_id"), item.optional_integer("project_id"))


def _registration(item: DeclaredParameters) -> Registration:
    project_id = item.optional_integer("project_id")
    properties = {name: (item.optional_text(name) or "")[:_LONGEST] for name in ("agent_version", "architecture")}
    agent_id = item.optional_integer("agent_id")
    properties["kubernetes_version"] = (item.optional_text("kubernetes_version") or "")[:_LONGEST]
    telemetry = item.optional_object("extra_telemetry_data")
    for name in ("installation_method", "helm_chart_version"):
        telemetry.optional_text(name)
    return Registration(project_id, agent_id, properties)
