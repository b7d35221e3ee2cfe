"""Reading from a replica, where one is configured: for questions that may be answered a moment late.

Which key this is and whom to greet may be; what is decided about access is always read from the primary, so that a removed
key or a blocked user is refused at once.

The replica is never needed. A question that it fails is asked of the primary within the same request, and while it is away or too
far behind (DATABASE_REPLICA_MAX_LAG) it is left alone; it is looked at again every few seconds (internal_api/replica_state.py).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, DatabaseError, InterfaceError, connections

REPLICA = "replica"
_alias: ContextVar[str] = ContextVar("database", default=DEFAULT_DB_ALIAS)
P = ParamSpec("P")
R = TypeVar("R")


def reading_alias() -> str:
    """The database that what runs now may read from."""
    return _alias.get()


@contextmanager
def _reading() -> Iterator[None]:
    token = _alias.set(REPLICA)
    try:
        yield
    finally:
        _alias.reset(token)


def from_replica(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function read from the replica, if there is one that is of use. Its writes go to the primary all the same.

    The function is called again, reading from the primary, when the replica fails; so it must only read.
    """

    @wraps(function)
    def reading(*args: P.args, **kwargs: P.kwargs) -> R:
        if REPLICA not in settings.DATABASES:
            return function(*args, **kwargs)
        from internal_api.replica_state import replica_state  # noqa: PLC0415  needs the settings and counts with the metrics

        if replica_state.is_usable():
            try:
                with _reading():
                    return function(*args, **kwargs)
            except (DatabaseError, InterfaceError) as error:
                if not connections[REPLICA].errors_occurred:
                    raise
                replica_state.has_failed(error)
        replica_state.count_fallback()
        return function(*args, **kwargs)

    return reading


class ReplicaRouter:
    """Django's question of where a query goes; in use when DATABASE_REPLICA_URL is set."""

    def db_for_read(self, model: object, **hints: Any) -> str:
        return reading_alias()

    def db_for_write(self, model: object, **hints: Any) -> str:
        return DEFAULT_DB_ALIAS

    def allow_relation(self, first: object, second: object, **hints: Any) -> bool:
        return True

    def allow_migrate(self, db: str, app_label: str, **hints: Any) -> bool:
        return db == DEFAULT_DB_ALIAS
