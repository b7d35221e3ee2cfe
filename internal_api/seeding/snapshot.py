"""Reading one moment of the database for as long as it takes, while others write."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connections, transaction


@contextmanager
def snapshot() -> Iterator[None]:
    """Let all queries inside see the database as it was at the first one; nothing can be written meanwhile by this connection.

    Nobody waits for it: REPEATABLE READ on PostgreSQL, a deferred transaction on SQLite. Inside a transaction of the caller's,
    such as a test's, it is that one.
    """
    connection: Any = connections["default"]
    if connection.in_atomic_block:
        yield
        return
    mode = getattr(connection, "transaction_mode", None)  # SQLite's alone has one
    if connection.vendor == "sqlite":
        connection.transaction_mode = "DEFERRED"  # IMMEDIATE, as elsewhere here, would keep all writers out
    try:
        with transaction.atomic():
            if connection.vendor == "postgresql":
                with connection.cursor() as cursor:
                    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
    finally:
        if connection.vendor == "sqlite":
            connection.transaction_mode = mode
