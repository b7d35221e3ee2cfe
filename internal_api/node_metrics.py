"""What one node tells on /metrics: what its processes have counted, and the state of what it depends on."""

from collections.abc import Iterable

from prometheus_client.core import Metric

from internal_api.health import DatabaseState, database_state, readiness
from internal_api.metrics import counted, exposition_of, gauge


def node_exposition() -> bytes:
    """Return both, as Prometheus reads it. Of a database that is away it is told that it is away."""
    return counted() + exposition_of(_state)


def _state() -> Iterable[Metric]:
    checks = [({"check": name}, float(is_well)) for name, is_well in readiness().items()]
    yield gauge("internal_api_ready", "1 for each thing that /readyz looks at and finds well", checks)
    state = database_state()
    states = [({"state": one.value}, float(one is state)) for one in DatabaseState]
    yield gauge("internal_api_database", "1 for what the database can do at the moment", states)
