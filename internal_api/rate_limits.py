"""Counting how often somebody asks, in fixed windows of a minute: in Redis for all processes, without one in each process."""

import hashlib
import logging
import threading
import time

from django.conf import settings

from internal_api.errors import TooManyRequestsError
from internal_api.metrics import rate_limit_hits
from internal_api.shared_store import SharedStoreError, shared_store

logger = logging.getLogger(__name__)
WINDOW = 60
LONGEST_PART = 200
_lock = threading.Lock()
_counts: dict[str, int] = {}
_current = [0]


def _part(value: str) -> str:
    """A part of a key; what is long is told by its digest, since callers choose it."""
    return value if len(value) <= LONGEST_PART else hashlib.sha256(value.encode()).hexdigest()


def _counted(key: str, window: int) -> int:
    if settings.REDIS_URL:
        return shared_store().count_in_window(f"{key}:{window}", WINDOW * 2)
    with _lock:
        if window != _current[0]:
            _counts.clear()
            _current[0] = window
        _counts[key] = _counts.get(key, 0) + 1
        return _counts[key]


def forget() -> None:
    """Let this process begin anew."""
    with _lock:
        _counts.clear()


def limit(name: str, threshold: int, *parts: str) -> None:
    """Count one more of what the parts name. Raises TooManyRequestsError above the threshold; 0 is no limit (contract: allowed 8.3).

    While Redis is away nobody is held up.
    """
    if not threshold:
        return
    key = ":".join(["application_rate_limiter", name, *(_part(part) for part in parts if part)])
    try:
        number = _counted(key, int(time.time()) // WINDOW)
    except SharedStoreError as error:
        logger.warning("A rate limit could not be counted: %s", error)
        return
    if number > threshold:
        rate_limit_hits.labels(name).inc()
        raise TooManyRequestsError(headers={"Retry-After": str(WINDOW)})
