"""Waiting in a request for a database that restarts, for callers that cannot wait long enough themselves.

gitlab-sshd gives up a key after 10 s, its own waits included: with `Retry-After: 5` alone it asks twice in that time, at 0 and 5 s,
and people read `Permission denied (publickey)` after a restart of 7 s. With SECONDS of waiting here the two questions cover all of it.
"""

import threading
import time
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from django.db import DatabaseError, InterfaceError, OperationalError, connections

from internal_api.replica import REPLICA, reading_alias

SECONDS = 4.0
PAUSE = 0.1
QUERY_CANCELED = "57014"
"""SQLSTATE of a query that ran into its time-out: asking it again would take as long again."""
P = ParamSpec("P")
R = TypeVar("R")

waiting = threading.Semaphore(1)
"""One thread of a process may wait; the others answer health checks, and 503 at once to everybody else."""


def waits_for_database(read: Callable[P, R]) -> Callable[P, R]:
    """Let a function that only reads run again when the database answers again within SECONDS. Raises what it raises otherwise."""

    @wraps(read)
    def patient(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return read(*args, **kwargs)
        except (OperationalError, InterfaceError) as error:
            alias = reading_alias()
            # The replica is not waited for: the primary is asked instead.
            if alias == REPLICA or getattr(error.__cause__, "sqlstate", None) == QUERY_CANCELED or not _returns(alias):
                raise
        return read(*args, **kwargs)

    return patient


def _returns(alias: str) -> bool:
    """Whether the database answers within SECONDS. A connection that only was from before the restart costs no waiting."""
    if connections[alias].in_atomic_block:
        return False
    if answers(alias):
        return True
    if not waiting.acquire(blocking=False):
        return False
    try:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            time.sleep(PAUSE)
            if answers(alias):
                return True
        return False
    finally:
        waiting.release()


def answers(alias: str) -> bool:
    """Whether a new connection to the database works."""
    connection = connections[alias]
    connection.close()
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
