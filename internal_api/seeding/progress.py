"""How far a long work is, for people who wait: a line now and then, with the rate and an estimate of the rest."""

import time
from collections.abc import Callable
from datetime import timedelta

EVERY = 2.0
"""Seconds between two lines of one phase."""


class ProgressLines:
    """Writes `users: 12000 of 100000, 850 a second, 0:01:43 left`; one every two seconds, and one at the end.

    A phase that is over sooner is not told of.
    """

    def __init__(self, write: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._phase = ""
        self._started = self._told = self._last = clock()
        self._was_told = False

    def __call__(self, phase: str, done: int, total: int) -> None:
        """Tell that so many of all are done."""
        now = self._clock()
        if phase != self._phase:
            self._phase, self._was_told, self._started = phase, False, self._last
        self._last = now
        if now - self._told < EVERY and not (self._was_told and done >= total):
            return
        self._told, self._was_told = now, True
        self._write(f"{phase}: {done} of {total}{self._rate(now - self._started, done, total)}")

    def _rate(self, seconds: float, done: int, total: int) -> str:
        if seconds <= 0 or not done:
            return ""
        rate = done / seconds
        left = "" if done >= total else f", {timedelta(seconds=round((total - done) / rate))} left"
        return f", {rate:.0f} a second{left}"
