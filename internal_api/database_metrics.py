"""What the database knows of the whole installation, for /metrics/database: queues, workers, pushes that wait.

Each fact costs the same whatever the tables hold: what is counted is found by an index, and nothing is counted beyond MOST. Tables
that only grow are estimated. Facts that cannot be read are left out, and `internal_api_database_facts` says so; the page never fails.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any

from django.db import DatabaseError, InterfaceError, connection, transaction
from django.db.models import Model, QuerySet
from django_tasks_db.models import DBTaskResult
from prometheus_client.core import Metric

from internal_api.health import DatabaseState, database_state
from internal_api.metrics import exposition_of, gauge
from internal_api.models import AuditEvent
from internal_api.registrations import load_registrations
from internal_api.workers import MOST_COUNTED, queue_state

logger = logging.getLogger(__name__)
MOST = MOST_COUNTED
"""Nothing is counted beyond it: more says no more to whoever is woken up."""
LONGEST = "5s"
"""How long one query may take; Prometheus waits for ten seconds by default."""
_collectors: dict[str, Callable[[], Iterable[Metric]]] = {}
_growing: set[str] = set()


def register_collector(name: str, collect: Callable[[], Iterable[Metric]]) -> None:
    """Make known what the database is asked when its metrics are read. What it costs must not grow with the tables."""
    _collectors[name] = collect


def register_growing(*models: type[Model]) -> None:
    """Let the sizes of tables be told that grow with every push, or every refusal."""
    _growing.update(model._meta.db_table for model in models)  # noqa: SLF001  Django's public name for it


def count_up_to_most(rows: "QuerySet[Any]") -> float:
    """Return the number of rows, or MOST where there are as many or more. An index must find the rows."""
    return float(rows.order_by().values("pk")[:MOST].count())


def database_exposition() -> bytes:
    """Return all facts that can be read at the moment, as Prometheus reads them."""
    return exposition_of(_facts)


def _facts() -> Iterable[Metric]:
    load_registrations("database_metrics")
    state = database_state()
    yield gauge(
        "internal_api_database",
        "1 for what the database can do at the moment",
        [({"state": one}, float(one == state)) for one in DatabaseState],
    )
    are_known: dict[str, bool] = {}
    for name, collect in _collectors.items():
        found = _read(name, collect) if state is not DatabaseState.UNREACHABLE else None
        are_known[name] = found is not None
        yield from found or ()
    known = [({"facts": name}, float(is_known)) for name, is_known in are_known.items()]
    yield gauge("internal_api_database_facts", "1 for facts of the database that could be read", known)


def _read(name: str, collect: Callable[[], Iterable[Metric]]) -> list[Metric] | None:
    """Return what a collector finds; None when the database cannot tell, or not in time."""
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SELECT set_config('statement_timeout', %s, true)", [LONGEST])
            return list(collect())
    except (DatabaseError, InterfaceError) as error:
        logger.warning("The metrics of %s could not be read: %s", name, error)
        return None


def _background_work() -> Iterable[Metric]:
    state = queue_state()
    tasks = [({"state": name}, float(getattr(state, name))) for name in ("ready", "running", "failed")]
    yield gauge("internal_api_tasks", f"Background tasks by state, up to {MOST}; failed ones are not tried again", tasks)
    yield gauge("internal_api_task_oldest_seconds", "How long the first task of the queue has waited", [({}, state.oldest_seconds)])
    yield gauge("internal_api_workers", "Workers that are alive", [({}, float(state.workers))])


def _sizes() -> Iterable[Metric]:
    """The number of rows of the tables that grow, by PostgreSQL's own estimate. SQLite keeps none."""
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname, reltuples FROM pg_class WHERE relkind = 'r' AND relname = ANY(%s) AND reltuples >= 0", [list(_growing)]
        )
        estimates = [({"table": name}, float(rows)) for name, rows in sorted(cursor.fetchall())]
    yield gauge("internal_api_table_rows", "Rows of the tables that grow, as PostgreSQL estimates them", estimates)


def register() -> None:
    """Make the kernel's own collectors known."""
    register_collector("background work", _background_work)
    register_collector("table sizes", _sizes)
    register_growing(AuditEvent, DBTaskResult)
