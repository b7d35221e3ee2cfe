"""A circuit breaker: a service that keeps failing is left alone for a few seconds instead of being waited for by every caller."""

import threading
import time
from collections.abc import Callable


class CircuitOpenError(Exception):
    """The service has failed recently and is not asked again yet."""


class CircuitBreaker:
    """Opens after `failures` in a row, for `seconds`; then one caller at a time may probe, and a success closes it.

    A caller that was admitted tells with `succeeded` or `failed` what became of it.
    """

    def __init__(self, failures: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._threshold = failures
        self._seconds = seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._open_until: float | None = None
        self._probe_is_under_way = False

    @property
    def is_open(self) -> bool:
        """Whether `admit` would refuse now."""
        until = self._open_until
        return until is not None and (self._probe_is_under_way or self._clock() < until)

    def admit(self) -> None:
        """Let a caller through, as the probe where the pause is over. Raises CircuitOpenError."""
        if self._open_until is None:
            return
        with self._lock:
            if self.is_open:
                raise CircuitOpenError
            self._probe_is_under_way = self._open_until is not None

    def succeeded(self) -> None:
        """The service has answered."""
        if self._failures or self._open_until is not None:
            with self._lock:
                self._failures, self._open_until, self._probe_is_under_way = 0, None, False

    def failed(self) -> None:
        """The service has not answered."""
        with self._lock:
            self._failures += 1
            self._probe_is_under_way = False
            if self._failures >= self._threshold:
                self._open_until = self._clock() + self._seconds
