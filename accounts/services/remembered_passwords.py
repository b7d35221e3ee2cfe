"""Passwords that were right a moment ago, so that the requests of one Git command hash once and not two or three times.

Nothing is kept but a digest under a key of the process, in its memory alone. What a password opens is asked of the database each
time; docs/architecture.md has the reasons and the figures.
"""

import hashlib
import os
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import lru_cache

from accounts.models import User

LIFE = 300.0
"""Seconds."""
MOST = 1000


class RememberedPasswords:
    """A bounded set of proofs, the latest of which are valid for a while."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._key = secrets.token_bytes(32)
        self._clock = clock
        self._ends: OrderedDict[bytes, float] = OrderedDict()
        self._changing = threading.Lock()

    def proof(self, user: User, password: str) -> bytes:
        """Return what stands for this password of this user, as long as the stored hash is the same."""
        named = f"{user.pk}\0{user.password}\0{password}".encode()
        return hashlib.blake2b(named, key=self._key, digest_size=32).digest()

    def __contains__(self, proof: bytes) -> bool:
        return self._ends.get(proof, 0.0) > self._clock()

    def add(self, proof: bytes) -> None:
        """Remember a password that was hashed and found right."""
        with self._changing:
            self._ends.pop(proof, None)
            self._ends[proof] = self._clock() + LIFE
            while len(self._ends) > MOST:
                self._ends.popitem(last=False)


def remembered_passwords() -> RememberedPasswords:
    """Return those of this process; one that was forked begins with none, and with a key of its own."""
    return _of_process(os.getpid())


@lru_cache(maxsize=1)
def _of_process(process: int) -> RememberedPasswords:
    return RememberedPasswords()
