"""Writing again after a restart of the database, where an answer of 503 would lose something (contract: decisions 16a).

Unlike `database_wait`, which is for reads of callers that ask again: Gitaly reports a push once, so every such call waits.
"""

import itertools
import logging
import sqlite3
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TypeVar

from django.conf import settings
from django.db import InterfaceError, OperationalError, connection, connections

logger = logging.getLogger(__name__)
SECONDS = 10.0
PAUSES = (0.0, 0.1, 0.2, 0.5)
"""Seconds before the next attempts; the last one is used from then on."""
_AWAY = ("08", "57P01", "57P02", "57P03", "53300")
"""What PostgreSQL calls a lost connection, a stop, a crash, a start, and having no connection left."""

Result = TypeVar("Result")


@lru_cache(maxsize=1)
def waiting_threads() -> threading.Semaphore:
    """Half of a process's threads may wait here; the others answer, and nobody waits with them."""
    return threading.Semaphore(max(settings.WEB_THREADS // 2, 1))


def is_away(error: BaseException) -> bool:
    """Whether an error says that the database cannot be reached for now, rather than that it refuses something."""
    if isinstance(error, InterfaceError):
        return True
    cause = error.__cause__
    if not isinstance(error, OperationalError):
        return False
    if isinstance(cause, sqlite3.Error):
        return cause.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    state: str | None = getattr(cause, "sqlstate", None)
    return state is None or state.startswith(_AWAY)


def retry_while_away(run: Callable[[], Result], seconds: float = SECONDS) -> Result:
    """Return what `run` returns, which is called again on a new connection while the database is away.

    `run` must bear being repeated when the answer to its COMMIT was lost. Raises the last error when the seconds are over, or
    when half of the process's threads wait here already, and every error that is not about the database being away.
    """
    end = time.monotonic() + seconds
    try:
        return run()
    except (OperationalError, InterfaceError) as error:
        if connection.in_atomic_block or not is_away(error) or not waiting_threads().acquire(blocking=False):
            raise
        logger.warning("The database is away; trying again: %s", error)
    try:
        return _retry(run, end)
    finally:
        waiting_threads().release()


def _retry(run: Callable[[], Result], end: float) -> Result:
    """Return what `run` returns, which is called again after each of PAUSES until the end. Raises its last error."""
    for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
        for each in connections.all(initialized_only=True):
            each.close()
        time.sleep(pause)
        try:
            return run()
        except (OperationalError, InterfaceError) as error:
            if not is_away(error) or time.monotonic() + pause >= end:
                raise
    raise AssertionError("there is always another pause")
