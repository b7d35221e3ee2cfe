"""Volatile values that all processes share: reference counters, rate limits, OTP sessions, one-shot messages.

In Redis when REDIS_URL is set, else in the database. Losing it costs nothing that lasts. Reference counters are kept in the
database also while Redis is away (`database_store`).
"""

from functools import lru_cache

from django.conf import settings

from internal_api.shared_store.base import SharedStore, SharedStoreError

__all__ = ["SharedStore", "SharedStoreError", "database_store", "shared_store"]


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
