"""Password hashes that leave the processor to Git."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache

from django.contrib.auth.hashers import PBKDF2PasswordHasher

LOWEST_PRIORITY = 19


def _yield_to_others() -> None:
    # On Linux a priority is a thread's own. It cannot be raised again without a privilege: hence threads of their own.
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), LOWEST_PRIORITY)


@lru_cache(maxsize=1)
def _hashing(process: int) -> ThreadPoolExecutor:
    """One thread in each process: a process that was forked makes its own."""
    return ThreadPoolExecutor(1, "password-hash", initializer=_yield_to_others)


class BackgroundPBKDF2PasswordHasher(PBKDF2PasswordHasher):
    """Django's, half a second of CPU, in a thread of the lowest priority: requests in other threads go first."""

    def encode(self, password: str, salt: str, iterations: int | None = None) -> str:
        """Hash a password; waits for those before it."""
        found: str = _hashing(os.getpid()).submit(super().encode, password, salt, iterations).result()
        return found
