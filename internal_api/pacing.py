"""Strangers take their time: whoever shows no credential that holds is answered at a pace, so that callers who do keep the processor.

A refusal costs a third of a pull, and nothing hinders a program from asking for the next one at once.
"""

import threading
import time
from collections.abc import Callable
from functools import lru_cache

from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from internal_api.http.hosts import FOR_PROBES
from internal_api.logs import noted

LONGEST = 0.25
"""Seconds that a thread holds an answer back at most."""
LONGEST_HELD = 1.0
"""Seconds that the server keeps one at most, without a thread."""
LARGEST_HELD = 16 * 1024
"""Bytes of an answer that the server may keep for a while; for a larger one the thread waits."""


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
            seconds = self.until_turn(LONGEST)
            if seconds > 0:
                self._sleep(seconds)
            return seconds
        finally:
            self._places.release()

    def until_turn(self, longest: float) -> float:
        """Take the next turn; the seconds until it comes, `longest` at most."""
        with self._lock:
            now = self._clock()
            earliest = now - 1.0  # turns that nobody took for a second are lost
            turn = max(self._next, earliest)
            self._next = min(turn, now + longest) + self._seconds
            return min(max(turn - now, 0.0), longest)


@lru_cache(maxsize=1)
def _pace() -> Pace | None:
    """This process's pace; at most half of its threads wait, where threads have to."""
    per_second = settings.STRANGERS_PER_SECOND
    return Pace(per_second, max(settings.WEB_THREADS // 2, 1)) if per_second else None


def hold_for_turn(request: HttpRequest, response: HttpResponseBase) -> None:
    """Hold the answer back if nobody vouches for the caller; probes are never held back.

    Where the server can keep an answer, no thread waits (settings/gunicorn_worker.py), however many strangers there are.
    """
    pace = _pace()
    if pace is None or not is_of_stranger(request):
        return
    hold = getattr(request.META.get("gunicorn.socket"), "hold", None)
    if hold is None or response.streaming or len(getattr(response, "content", b"")) > LARGEST_HELD:
        pace.wait()
    else:
        hold(pace.until_turn(LONGEST_HELD))


def seconds_of_stranger() -> float:
    """For how long the answer to a request that was never understood is to be held back."""
    pace = _pace()
    return pace.until_turn(LONGEST_HELD) if pace is not None else 0.0


def is_of_stranger(request: HttpRequest) -> bool:
    """Whether nobody vouches for the caller, so far; probes are no strangers."""
    fields = noted(request)
    is_known = "caller" in fields or fields.get("credential", "none") != "none"  # a component, or somebody over Git LFS
    if (is_known and "refused" not in fields) or request.path_info in FOR_PROBES:
        return False
    user = getattr(request, "user", None)  # of the admin site
    return user is None or not user.is_authenticated
