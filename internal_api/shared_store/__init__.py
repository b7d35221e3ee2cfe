"""Volatile values that all processes share: reference counters, rate limits, OTP sessions, one-shot messages.

In Redis when REDIS_URL is set, else in the database. Losing it costs nothing that lasts. While Redis cannot be written (away,
full, or a replica of another), each use goes on in its own way, and counts that it did (`went_without_redis`):

* reference counters and OTP sessions are kept in the database (`stores`)
* rate limits are counted by each process alone
* one-shot messages and the unique counters of agents are left out
"""

from functools import lru_cache

from django.conf import settings

from internal_api.metrics import redis_fallbacks
from internal_api.shared_store.base import SharedStore, SharedStoreError, StoreState

__all__ = ["SharedStore", "SharedStoreError", "StoreState", "database_store", "shared_store", "stores", "went_without_redis"]


@lru_cache(maxsize=2)
def _store(redis_url: str) -> SharedStore:
    # Imported where it is chosen: redis costs memory and start-up time that most installations need not pay.
    if redis_url:
        from internal_api.shared_store.redis import RedisStore  # noqa: PLC0415  see above

        return RedisStore(redis_url)
    from internal_api.shared_store.database import DatabaseStore  # noqa: PLC0415  see above

    return DatabaseStore()


def database_store() -> SharedStore:
    """The store in the database, whichever is configured."""
    return _store("")


def shared_store() -> SharedStore:
    """The store that is configured."""
    return _store(settings.REDIS_URL)


def stores() -> tuple[SharedStore, ...]:
    """Where a value may be that has to survive Redis being away: in the store that is configured, else in the database."""
    return (shared_store(), database_store()) if settings.REDIS_URL else (database_store(),)


def went_without_redis(use: str) -> None:
    """Count that something went on although Redis could not be used; `use` is one of a few names."""
    if settings.REDIS_URL:
        redis_fallbacks.labels(use).inc()
