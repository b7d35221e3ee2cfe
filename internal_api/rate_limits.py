"""Counting how often somebody asks, in fixed windows of a minute: in Redis for all processes, without one in each process.

A round trip to Redis costs a sixth of a decision, and nearly nobody comes near a limit. So each process counts for itself and tells
Redis in steps of a hundredth of the limit. What it does not know yet is what the others have not told: of a limit of 600, at most five
requests for each other process. Limits below 200 are counted one by one. While Redis cannot be used each process refuses what is
above the limit by its own count.
"""

import hashlib
import logging
import threading
import time
from dataclasses import dataclass

from django.conf import settings

from internal_api.errors import TooManyRequestsError
from internal_api.metrics import rate_limit_hits
from internal_api.shared_store import SharedStoreError, shared_store, went_without_redis

logger = logging.getLogger(__name__)
WINDOW = 60
LONGEST_PART = 200
STEPS = 100
_lock = threading.Lock()


@dataclass(slots=True)
class _Count:
    """What a process knows: what all had told when it last asked, and what it has not told itself."""

    told: int = 0
    untold: int = 0


_counts: dict[str, _Count] = {}
_current = [0]


def _part(value: str) -> str:
    """A part of a key; what is long is told by its digest, since callers choose it."""
    return value if len(value) <= LONGEST_PART else hashlib.sha256(value.encode()).hexdigest()


def _counted(key: str, window: int, step: int) -> int:
    """The number of requests in this window, this one included."""
    with _lock:
        if window != _current[0]:
            _counts.clear()
            _current[0] = window
        count = _counts.setdefault(key, _Count())
        count.untold += 1
        untold = count.untold
        if not settings.REDIS_URL or untold < step:
            return count.told + untold
        count.untold = 0
        count.told += untold  # for the threads that come while Redis is asked
    try:
        total = shared_store().count_in_window(f"{key}:{window}", WINDOW * 2, untold)
    except SharedStoreError as error:
        logger.warning("A rate limit is counted by this process alone: %s", error)
        went_without_redis("rate_limit")
        return count.told
    with _lock:
        count.told = max(count.told, total)
    return total


def forget() -> None:
    """Let this process begin anew."""
    with _lock:
        _counts.clear()


def limit(name: str, threshold: int, *parts: str) -> None:
    """Count one more of what the parts name. Raises TooManyRequestsError above the threshold; 0 is no limit (contract: allowed 8.3).

    The caller is told to wait for the rest of the minute, after which it is served, or for the longest wait that may be told
    (decisions 4b). gitlab-sshd asks three times: it is served if the minute ends within twice that, and gives up after it
    otherwise.
    """
    if not threshold:
        return
    key = ":".join(["application_rate_limiter", name, *(_part(part) for part in parts if part)])
    now = time.time()
    number = _counted(key, int(now) // WINDOW, max(threshold // STEPS, 1))
    if number > threshold:
        rate_limit_hits.labels(name).inc()
        raise TooManyRequestsError(WINDOW - now % WINDOW)
