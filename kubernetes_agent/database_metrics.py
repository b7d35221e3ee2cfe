"""What kas has counted, for /metrics/database."""

from collections.abc import Iterable

from django.db.models import Sum
from django.utils import timezone
from prometheus_client.core import Metric

from internal_api.database_metrics import register_collector
from internal_api.metrics import counter, gauge
from kubernetes_agent.models import UsageCounter
from kubernetes_agent.selectors.agents import connected_agents
from kubernetes_agent.selectors.metrics import counter_readings
from kubernetes_agent.services.push_notifications import FAILED, SENT


def _agents() -> Iterable[Metric]:
    counted = [({"name": reading.name}, float(reading.total)) for reading in counter_readings()]
    yield counter("internal_api_agent_usage", "What kas has reported, by its own names", counted)
    told = dict(UsageCounter.objects.filter(name__in=(SENT, FAILED)).values_list("name").annotate(Sum("value")))
    outcomes = [({"outcome": name.rpartition("_")[2]}, float(told.get(name, 0))) for name in (SENT, FAILED)]
    yield counter("internal_api_kas_push_notifications", "Messages to kas of pushes, by what came of them", outcomes)
    yield gauge("internal_api_agents_connected", "Agents whose token was used lately", [({}, float(connected_agents(timezone.now())))])


def register() -> None:
    """Make the collector known."""
    register_collector("agents", _agents)
