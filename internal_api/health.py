"""Whether the service is well enough to be asked: what load balancers and orchestrators look at (contract: decisions 21a)."""

from collections.abc import Callable

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from internal_api.shared_store import shared_store

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


_CHECKS: dict[str, Callable[[], bool]] = {"database": _database, "migrations": _migrations, "shared_store": _shared_store}


def readiness() -> dict[str, bool]:
    """Each thing that has to be well, by its name."""
    return {name: check() for name, check in _CHECKS.items()}
