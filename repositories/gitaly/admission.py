"""Who may wait for a Gitaly (contract: decisions 23a): a bulkhead for each process, a circuit breaker for each address."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from django.conf import settings

from internal_api.bulkhead import Bulkhead, NoPlaceError
from internal_api.circuit_breaker import CircuitBreaker, CircuitOpenError
from internal_api.metrics import gitaly_refusals
from repositories.gitaly.errors import GitalyAwayError, GitalyBusyError, GitalyTooSlowError

logger = logging.getLogger(__name__)
FAILURES = 3
"""Deadlines in a row after which a Gitaly counts as away."""
PAUSE = 3.0
"""Seconds for which it is not asked then; after them one question at a time is, until one is answered."""


@lru_cache(maxsize=1)
def bulkhead() -> Bulkhead:
    """The places of this process."""
    return Bulkhead(settings.WEB_THREADS)


@lru_cache(maxsize=1024)
def breaker(address: str) -> CircuitBreaker:
    """What this process knows about the Gitaly at an address."""
    return CircuitBreaker(FAILURES, PAUSE)


def forget() -> None:
    """Let this process begin again, for tests."""
    bulkhead.cache_clear()
    breaker.cache_clear()


@contextmanager
def place(address: str, seconds: float) -> Iterator[None]:
    """Hold a place among those that wait for this Gitaly; calls made inside use it.

    Raises GitalyAwayError at once while it counts as away, and GitalyBusyError when no place is free for so long.
    """
    if breaker(address).is_open:
        gitaly_refusals.labels("away").inc()
        raise GitalyAwayError("Gitaly has not answered recently, and is asked again in a few seconds.")
    try:
        with bulkhead().place(address, seconds):
            yield
    except NoPlaceError as error:
        gitaly_refusals.labels("busy").inc()
        raise GitalyBusyError("Too many requests of this process wait for Gitaly.") from error


@contextmanager
def admitted(address: str, seconds: float) -> Iterator[None]:
    """Make a call inside: it holds a place, and what becomes of it opens or closes the circuit. Raises as `place` does."""
    circuit = breaker(address)
    with place(address, seconds):
        try:
            circuit.admit()
        except CircuitOpenError as error:
            gitaly_refusals.labels("away").inc()
            raise GitalyAwayError("Gitaly has not answered recently, and is asked again in a few seconds.") from error
        try:
            yield
        except GitalyTooSlowError:
            circuit.failed()
            if circuit.is_open:
                logger.warning("Gitaly at %s does not answer in time, and is not asked for %s s", address, PAUSE)
            raise
        except BaseException:
            circuit.succeeded()  # it answered, whatever it said
            raise
        circuit.succeeded()
