"""What kas has counted, for /metrics/database."""

from collections.abc import Iterable

from django.utils import timezone
from prometheus_client.core import Metric

from internal_api.database_metrics import register_collector
from internal_api.metrics import counter, gauge
from kubernetes_agent.selectors.agents import connected_agents
from kubernetes_agent.selectors.metrics import counter_readings


def _agents() -> Iterable[Metric]:
    counted = [({"name": reading.name}, float(reading.total)) for reading in counter_readings()]
    yield counter("internal_api_agent_usage", "What kas has reported, by its own names", counted)
    yield gauge("internal_api_agents_connected", "Agents whose token was used lately", [({}, float(connected_agents(timezone.now())))])


def register() -> None:
    """Make the collector known."""
    register_collector("agents", _agents)
