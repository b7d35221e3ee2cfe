"""Whether the replica is of use: it answers, and is not too far behind. Each process finds out for itself, while it is asked."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connections

from internal_api.metrics import replica_fallbacks
from internal_api.replica import REPLICA

logger = logging.getLogger(__name__)
EVERY = 1.0
"""Seconds after which a replica that is of use is looked at again."""
PAUSE = 5.0
"""The same of one that is not; meanwhile nobody waits for it."""
# An idle primary sends nothing: a replica that has applied all it got, and is still connected, is not behind. One that has lost its
# primary is as old as the last transaction that it applied.
LAG = """
SELECT CASE WHEN NOT pg_is_in_recovery() THEN 0
            WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() AND EXISTS (SELECT FROM pg_stat_wal_receiver) THEN 0
            ELSE COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 0) END
"""


class ReplicaCondition(StrEnum):
    """What the replica is good for at the moment."""

    READY = "ready"
    BEHIND = "behind"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was found, and how many seconds the replica is behind, if it tells."""

    condition: ReplicaCondition
    lag: float | None


def measured_lag() -> float:
    """How many seconds the replica is behind. Raises DatabaseError."""
    connection = connections[REPLICA]
    if connection.vendor != "postgresql":
        return 0.0
    with connection.cursor() as cursor:
        cursor.execute(LAG)
        return float(cursor.fetchone()[0])


class ReplicaState:
    """What this process knows of the replica."""

    def __init__(self, measure: Callable[[], float] = measured_lag, clock: Callable[[], float] = time.monotonic) -> None:
        self._measure = measure
        self._clock = clock
        self._lock = threading.Lock()
        self._next = 0.0
        self._last = Measurement(ReplicaCondition.UNREACHABLE, None)

    def is_usable(self) -> bool:
        """Whether to ask the replica now."""
        return self.current().condition is ReplicaCondition.READY

    def current(self) -> Measurement:
        """What was found last, or is found now if that is some time ago. One thread looks; the others go by what was known."""
        if self._clock() >= self._next and self._lock.acquire(blocking=False):
            try:
                found = self._look()
                if found.condition is not self._last.condition:
                    logger.warning("The replica is %s (lag: %s s)", found.condition.value, found.lag)
                self._last = found
                self._next = self._clock() + (EVERY if found.condition is ReplicaCondition.READY else PAUSE)
            finally:
                self._lock.release()
        return self._last

    def _look(self) -> Measurement:
        try:
            lag = self._measure()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The replica cannot be asked: %s", error)
            connections[REPLICA].close()
            return Measurement(ReplicaCondition.UNREACHABLE, None)
        limit = settings.DATABASE_REPLICA_MAX_LAG
        is_behind = bool(limit) and lag > limit
        return Measurement(ReplicaCondition.BEHIND if is_behind else ReplicaCondition.READY, lag)

    def has_failed(self, error: Exception) -> None:
        """A question went wrong, perhaps for this thread's connection only: whoever comes next looks first, on a new one."""
        logger.warning("The replica failed; the primary is asked instead: %s", error)
        connections[REPLICA].close()
        self._next = 0.0

    def count_fallback(self) -> None:
        """The primary is asked instead."""
        replica_fallbacks.labels(self._last.condition.value).inc()


replica_state = ReplicaState()
