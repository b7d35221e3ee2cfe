"""Whether the service is well enough to be asked: what load balancers and orchestrators look at (contract: decisions 21a)."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from internal_api.draining import is_draining
from internal_api.exception_handler import is_read_only
from internal_api.replica import REPLICA
from internal_api.replica_state import Measurement, ReplicaCondition, replica_state
from internal_api.shared_store import StoreState, shared_store

_migrated: set[str] = set()


def _database() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True


def _migrations() -> bool:
    """Whether none is missing; asked until it is so, since a process never loses a migration again."""
    if "all" in _migrated:
        return True
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return False
    except DatabaseError:
        return False
    _migrated.add("all")
    return True


def _shared_store() -> bool:
    return shared_store().is_healthy()


class DatabaseState(StrEnum):
    """What the database can do at the moment."""

    READ_WRITE = "read-write"
    READ_ONLY = "read-only"
    UNREACHABLE = "unreachable"


def database_state() -> DatabaseState:
    """Whether the database can be written, only read, or not reached. Read-only serves pulls, so it is ready (contract: decisions 24a)."""
    try:
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                return _sqlite_state(cursor)
            cursor.execute("SHOW transaction_read_only")
            return DatabaseState.READ_ONLY if cursor.fetchone()[0] == "on" else DatabaseState.READ_WRITE
    except DatabaseError:
        return DatabaseState.UNREACHABLE


def _sqlite_state(cursor: Any) -> DatabaseState:
    """SQLite tells only whoever tries: here with a transaction that writes nothing."""
    if connection.in_atomic_block:
        return DatabaseState.READ_WRITE
    cursor.execute("PRAGMA busy_timeout")
    patience = cursor.fetchone()[0]
    cursor.execute("PRAGMA busy_timeout = 0")
    try:
        cursor.execute("BEGIN IMMEDIATE")  # which a file that can only be read allows
        try:
            cursor.execute("PRAGMA user_version = 0")
        finally:
            cursor.execute("ROLLBACK")
    except DatabaseError as error:
        return DatabaseState.READ_ONLY if is_read_only(error) else DatabaseState.READ_WRITE
    finally:
        cursor.execute(f"PRAGMA busy_timeout = {int(patience)}")
    return DatabaseState.READ_WRITE


_CHECKS: dict[str, Callable[[], bool]] = {"database": _database, "migrations": _migrations, "shared_store": _shared_store}
OPTIONAL = frozenset({"shared_store"})
"""Without one of the others no pull is answered, and a load balancer is told to go elsewhere."""


class Status(StrEnum):
    """What a load balancer and a monitoring system are to think of this node."""

    OK = "ok"
    DEGRADED = "degraded"
    """Pulls are answered, so it is ready, but something it can go on without is not as it should be."""
    DRAINING = "draining"
    """It serves, and is about to stop."""
    FAILED = "failed"


def readiness() -> dict[str, bool]:
    """Each thing that this node looks at, by its name, and whether it is well."""
    return {name: check() for name, check in _CHECKS.items()}


def replica_measurement() -> Measurement | None:
    """What is known of the read replica; None where there is none."""
    return replica_state.current() if REPLICA in settings.DATABASES else None


@dataclass(frozen=True, slots=True)
class NodeState:
    """The state of this node, and of each thing that it depends on."""

    status: Status
    checks: dict[str, bool]
    database: DatabaseState
    shared_store: StoreState
    replica: ReplicaCondition | None

    @property
    def is_ready(self) -> bool:
        """Whether requests are to be sent here."""
        return self.status in {Status.OK, Status.DEGRADED}


def node_state() -> NodeState:
    """Look at each of them. Redis and a read replica are optional: without them the node is degraded, not unready."""
    checks, database, store = readiness(), database_state(), shared_store().state()
    measurement = replica_measurement()
    replica = measurement.condition if measurement is not None else None
    is_whole = database is DatabaseState.READ_WRITE and store is StoreState.READY and replica in {None, ReplicaCondition.READY}
    if is_draining():
        status = Status.DRAINING
    elif not all(is_well for name, is_well in checks.items() if name not in OPTIONAL):
        status = Status.FAILED
    else:
        status = Status.OK if is_whole else Status.DEGRADED
    return NodeState(status, checks, database, store, replica)
