"""What one node tells on /metrics: what its processes have counted, and the state of what it depends on."""

from collections.abc import Iterable

from prometheus_client.core import Metric

from internal_api.health import DatabaseState, database_state, readiness, replica_measurement
from internal_api.metrics import counted, exposition_of, gauge
from internal_api.replica_state import ReplicaCondition
from internal_api.shared_store import StoreState, shared_store


def node_exposition() -> bytes:
    """Return both, as Prometheus reads it. Of a database that is away it is told that it is away."""
    return counted() + exposition_of(_state)


def _state() -> Iterable[Metric]:
    checks = [({"check": name}, float(is_well)) for name, is_well in readiness().items()]
    yield gauge("internal_api_ready", "1 for each thing that /readyz looks at and finds well", checks)
    state = database_state()
    states = [({"state": one.value}, float(one is state)) for one in DatabaseState]
    yield gauge("internal_api_database", "1 for what the database can do at the moment", states)
    store = shared_store().state()
    stores = [({"state": one.value}, float(one is store)) for one in StoreState]
    yield gauge("internal_api_shared_store", "1 for what the shared store (Redis, or the database) can do at the moment", stores)
    replica = replica_measurement()
    conditions = [({"condition": one.value}, float(replica is not None and one is replica.condition)) for one in ReplicaCondition]
    yield gauge("internal_api_replica", "1 for the condition of the read replica; 0 for all without one", conditions)
    if replica is not None and replica.lag is not None:
        yield gauge("internal_api_replica_lag_seconds", "How many seconds the read replica is behind", [({}, replica.lag)])
