"""Content that this service moves itself, without Workhorse: bounded in number, so that decisions keep their threads."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from django.conf import settings
from django.db import connection

from internal_api.errors import UnavailableError

PATIENCE = 2.0
"""Seconds that a transfer waits for another to end."""
RETRY_AFTER = "3"
"""Seconds after which git-lfs tries again, eight times."""


class Transfers:
    """Places for transfers. As many as there are places may wait for one, and no more."""

    def __init__(self, places: int) -> None:
        self._places = threading.BoundedSemaphore(places)
        self._waiting = threading.BoundedSemaphore(places)

    def begin(self) -> None:
        """Take a place, which `end` gives back. Raises UnavailableError when none is free in time."""
        if self._places.acquire(blocking=False):
            return
        if self._waiting.acquire(blocking=False):
            try:
                if self._places.acquire(timeout=PATIENCE):
                    return
            finally:
                self._waiting.release()
        error = UnavailableError("Too many LFS objects are being transferred. Please try again later.")
        error.headers["Retry-After"] = RETRY_AFTER
        raise error

    def end(self) -> None:
        """Give a place back."""
        self._places.release()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place. Raises UnavailableError."""
        self.begin()
        try:
            yield
        finally:
            self.end()


@lru_cache(maxsize=1)
def transfers() -> Transfers:
    """Return the places of this process."""
    return Transfers(settings.LFS_TRANSFERS)


def give_connection_back() -> None:
    """Let others have the database connection, where a pool has few of them: a transfer takes minutes and needs none."""
    if getattr(connection, "pool", None) is not None and not connection.in_atomic_block:
        connection.close()
