"""Strangers take their time: whoever shows no credential that holds is answered at a pace, so that callers who do keep the processor.

A refusal costs a third of a pull, and nothing hinders a program from asking for the next one at once.
"""

import threading
import time
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest

from internal_api.http.hosts import FOR_PROBES
from internal_api.logs import noted

LONGEST = 0.25
"""Seconds that an answer is held back at most."""


class Pace:
    """So many answers a second, a second's worth of them at once; `places` threads wait at most, and nobody waits for a place."""

    def __init__(
        self, per_second: int, places: int, clock: Callable[[], float] = time.monotonic, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self._seconds = 1 / per_second
        self._places = threading.BoundedSemaphore(places)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._next = clock()

    def wait(self) -> float:
        """Wait for one's turn; the seconds it took."""
        if not self._places.acquire(blocking=False):
            return 0.0
        try:
            seconds = self._until_turn()
            if seconds > 0:
                self._sleep(seconds)
            return seconds
        finally:
            self._places.release()

    def _until_turn(self) -> float:
        with self._lock:
            now = self._clock()
            earliest = now - 1.0  # turns that nobody took for a second are lost
            turn = max(self._next, earliest)
            self._next = min(turn, now + LONGEST) + self._seconds
            return min(max(turn - now, 0.0), LONGEST)


@lru_cache(maxsize=1)
def _pace() -> Pace | None:
    """This process's pace; at most half of its threads wait."""
    per_second = settings.STRANGERS_PER_SECOND
    return Pace(per_second, max(settings.WEB_THREADS // 2, 1)) if per_second else None


def wait_for_turn(request: HttpRequest | None) -> None:
    """Hold the answer back if nobody vouches for the caller; None is a request that was never understood.

    Probes are never held back.
    """
    pace = _pace()
    if pace is not None and (request is None or _is_of_stranger(request)):
        pace.wait()


def _is_of_stranger(request: HttpRequest) -> bool:
    fields = noted(request)
    if ("caller" in fields and "refused" not in fields) or request.path_info in FOR_PROBES:
        return False
    user = getattr(request, "user", None)  # of the admin site
    return user is None or not user.is_authenticated
