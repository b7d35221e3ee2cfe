"""Content that this service moves itself, without Workhorse: bounded in number, so that decisions keep their threads."""

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from django.conf import settings
from django.db import connection
from django.http import HttpRequest

from internal_api.errors import UnavailableError
from internal_api.logs import noted
from internal_api.peers import address_block, peer_of

PATIENCE = 2.0
"""Seconds that a transfer waits for another to end."""
RETRY_AFTER = "3"
"""Seconds after which git-lfs tries again, eight times."""


class Transfers:
    """Places for transfers. As many as there are places may wait for one, and no more.

    Of several places the last one is for a caller who has none: one who takes its content slowly, or not at all, leaves it to others.
    """

    def __init__(self, places: int) -> None:
        self._places = self._free = places
        self._waiting = 0
        self._of: Counter[str] = Counter()
        self._changed = threading.Condition()

    def begin(self, caller: str = "") -> None:
        """Take a place, which `end` gives back; nobody named has none yet. Raises UnavailableError when none is free in time."""
        with self._changed:
            if not self._is_free_for(caller):
                self._wait(caller)
            self._free -= 1
            self._of[caller] += 1

    def _is_free_for(self, caller: str) -> bool:
        is_last_kept = self._places > 1 and caller and self._of[caller] > 0
        return self._free > (1 if is_last_kept else 0)

    def _wait(self, caller: str) -> None:
        is_there = False
        if self._waiting < self._places:
            self._waiting += 1
            try:
                is_there = self._changed.wait_for(lambda: self._is_free_for(caller), PATIENCE)
            finally:
                self._waiting -= 1
        if not is_there:
            error = UnavailableError("Too many LFS objects are being transferred. Please try again later.")
            error.headers["Retry-After"] = RETRY_AFTER
            raise error

    def end(self, caller: str = "") -> None:
        """Give a place back."""
        with self._changed:
            self._free += 1
            self._of[caller] -= 1
            if not self._of[caller]:
                del self._of[caller]
            self._changed.notify_all()

    @contextmanager
    def place(self, caller: str = "") -> Iterator[None]:
        """Hold a place. Raises UnavailableError."""
        self.begin(caller)
        try:
            yield
        finally:
            self.end(caller)


def caller_of(request: HttpRequest) -> str:
    """Who transfers, as the decision about it has noted: a user, a deploy key, or whoever is anonymous at an address."""
    fields = noted(request)
    if fields.get("actor"):
        return str(fields["actor"])
    if fields.get("key_id"):
        return f"key-{fields['key_id']}"
    return address_block(peer_of(request.META))


@lru_cache(maxsize=1)
def transfers() -> Transfers:
    """Return the places of this process."""
    return Transfers(settings.LFS_TRANSFERS)


def give_connection_back() -> None:
    """Let others have the database connection, where a pool has few of them: a transfer takes minutes and needs none."""
    if getattr(connection, "pool", None) is not None and not connection.in_atomic_block:
        connection.close()
