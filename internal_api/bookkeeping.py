"""What is noted beside an answer and must never turn it into an error (contract: decisions 24a)."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import Error, connection, transaction

logger = logging.getLogger(__name__)


@contextmanager
def best_effort(what: str) -> Iterator[None]:
    """Write inside; an error of the database is logged and forgotten. `what` completes "could not be noted"."""
    try:
        if connection.in_atomic_block:
            with transaction.atomic():  # a savepoint, or the error would end the caller's transaction
                yield
        else:
            yield
    except Error as error:
        logger.warning("%s could not be noted: %s", what, error)
