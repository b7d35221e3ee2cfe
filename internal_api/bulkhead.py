"""A bulkhead: callers that wait for slow services never take all threads of the process."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE = 2.0
"""Seconds that a caller waits for a place (contract: decisions 23a)."""
SLOW = 0.5
"""Seconds after which the callers inside count as slow: from then on only those with a seat wait."""


class NoPlaceError(Exception):
    """All places are taken, and none became free in time."""


class Bulkhead:
    """Places for callers of services, which are told apart by name.

    Half of the threads have a place, three quarters of those the callers of one service, so that a slow service leaves places
    to the others. Waiting for a place takes a thread, too. While the callers inside are quick anybody may wait; when they are
    slow, only a quarter of the threads (half of those for one service) may. A quarter of the threads is never taken.
    With fewer than 4 threads nobody waits for slow callers.
    """

    def __init__(self, threads: int, clock: Callable[[], float] = time.monotonic, condition: threading.Condition | None = None) -> None:
        self.places = max(threads // 2, 1)
        self.places_of_one = max(self.places * 3 // 4, 1)
        self.seats = threads // 4
        self.seats_of_one = (self.seats + 1) // 2
        self._clock = clock
        self._changed = condition or threading.Condition()
        self._inside: dict[str, dict[int, float]] = defaultdict(dict)
        self._seated: dict[str, set[int]] = defaultdict(set)

    @contextmanager
    def place(self, name: str, seconds: float = PATIENCE) -> Iterator[None]:
        """Hold a place among the callers of a service; a thread that has one already keeps it. Raises NoPlaceError.

        Waits up to `seconds` for it, and never longer than PATIENCE.
        """
        me = threading.get_ident()
        if me in self._inside[name]:
            yield
            return
        self._enter(name, me, min(seconds, PATIENCE))
        try:
            yield
        finally:
            with self._changed:
                del self._inside[name][me]
                self._changed.notify_all()

    def _enter(self, name: str, me: int, seconds: float) -> None:
        with self._changed:
            deadline = self._clock() + seconds
            try:
                while not self._has_place(name):
                    now = self._clock()
                    if now >= deadline or not self._may_wait(name, me, now):
                        raise NoPlaceError
                    self._changed.wait(min(deadline - now, SLOW / 5))
            finally:
                self._seated[name].discard(me)
            self._inside[name][me] = self._clock()

    def _has_place(self, name: str) -> bool:
        return len(self._inside[name]) < self.places_of_one and sum(map(len, self._inside.values())) < self.places

    def _may_wait(self, name: str, me: int, now: float) -> bool:
        """Whether a caller may go on waiting: on a seat, or while those inside are quick."""
        seated = self._seated[name]
        if me in seated:
            return True
        if len(seated) < self.seats_of_one and sum(map(len, self._seated.values())) < self.seats:
            seated.add(me)
            return True
        return now - min(min(entered.values()) for entered in self._inside.values() if entered) < SLOW
