"""How many pushes to a repository are under way (contract: allowed 7.1, decisions 14 and 16a).

No decision of this service reads the number: it is for operators who wait for a quiet repository before they move it. But Gitaly
refuses a push that is not counted, without a word, so pushes are counted in the database while Redis is away.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from django.conf import settings

from internal_api.shared_store import SharedStore, SharedStoreError, database_store, shared_store, went_without_redis

logger = logging.getLogger(__name__)
COUNTER_LIFE = 600  # seconds
Result = TypeVar("Result")


def counter_key(repository: str) -> str:
    """The name under which the shared store counts the pushes that are under way to a repository."""
    return f"git-receive-pack-reference-counter:{repository}"


def increase_counter(repository: str) -> None:
    """A push begins. Raises DatabaseError when it can be counted nowhere."""
    key = counter_key(repository)
    if settings.REDIS_URL:
        try:
            shared_store().increase(key, COUNTER_LIFE)
            return
        except SharedStoreError as error:
            logger.warning("A push is counted in the database, since Redis is away: %s", error)
            went_without_redis("reference_counter")
    _in_database(lambda store: store.increase(key, COUNTER_LIFE))


def decrease_counter(repository: str) -> bool:
    """A push has ended, wherever it was counted; nothing goes below 0. Whether Redis knows, which no rollback undoes.

    Raises DatabaseError.
    """
    key = counter_key(repository)
    if settings.REDIS_URL:
        try:
            if shared_store().take_one(key):
                return True
        except SharedStoreError as error:
            logger.warning("The end of a push is counted in the database, since Redis is away: %s", error)
            went_without_redis("reference_counter")
    _in_database(lambda store: store.take_one(key))
    return False


def pushes_under_way(repository: str) -> int:
    """The number. Raises SharedStoreError."""
    key = counter_key(repository)
    counted = shared_store().number(key)
    return counted + database_store().number(key) if settings.REDIS_URL else counted


def limit_counter(repository: str, most: int) -> None:
    """Lower the number to that of the pushes that can be under way: some ended without a report. Does nothing while Redis is away."""
    try:
        for _ in range(pushes_under_way(repository) - most):
            decrease_counter(repository)
    except SharedStoreError as error:
        logger.warning("A reference counter could not be corrected: %s", error)


def _in_database(step: Callable[[SharedStore], Result]) -> Result:
    """Run a step there. Raises what the database said, for which a caller may wait."""
    try:
        return step(database_store())
    except SharedStoreError as error:
        raise (error.__cause__ or error) from None
