"""Reading from a replica, where one is configured: for questions that may be answered a moment late.

Which key this is and whom to greet may be; what is decided about access is always read from the primary, so that a removed
key or a blocked user is refused at once.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS

REPLICA = "replica"
_alias: ContextVar[str] = ContextVar("database", default=DEFAULT_DB_ALIAS)
P = ParamSpec("P")
R = TypeVar("R")


def reading_alias() -> str:
    """The database that what runs now may read from."""
    return _alias.get()


@contextmanager
def _reading() -> Iterator[None]:
    token = _alias.set(REPLICA if REPLICA in settings.DATABASES else DEFAULT_DB_ALIAS)
    try:
        yield
    finally:
        _alias.reset(token)


def from_replica(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function read from the replica, if there is one. Its writes go to the primary all the same."""

    @wraps(function)
    def reading(*args: P.args, **kwargs: P.kwargs) -> R:
        with _reading():
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
