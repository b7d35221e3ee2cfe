"""Django's operations, with what it knows of Oracle and SQLite only: a statement takes so many parameters and no more."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db.backends.postgresql import operations

MOST_PARAMETERS = 2**16 - 1
"""The protocol counts them in 16 bits; Django binds on the server here."""


class DatabaseOperations(operations.DatabaseOperations):
    """Rows are inserted, updated and deleted in batches that fit."""

    def bulk_batch_size(self, fields: Iterable[Any], objs: Sequence[Any]) -> int:
        return MOST_PARAMETERS // max(len(list(fields)), 1)
