"""Whether a pooler such as PgBouncer stands before PostgreSQL, and whether it can serve what is configured.

In transaction mode each transaction may run on another connection of the server. What belongs to a session does not work through
it: statements that are prepared by name (unless the pooler knows them: PgBouncer 1.21 with max_prepared_statements), cursors that
outlive a transaction, LISTEN, start-up options. Found out by trying, since no pooler tells its mode.
"""

import logging
from collections.abc import Mapping
from typing import Any

import psycopg
from psycopg.abc import PQGen

from internal_api.postgresql.connection import RV, with_addresses

logger = logging.getLogger(__name__)
SECONDS = 10
"""How long one step of the attempt may take; a pooler with a single connection of the server makes the second client wait for ever."""
CONNECT_SECONDS = 3
"""How long a connection may take: while the database hangs, the processes that a reload starts serve nothing meanwhile."""
ROUNDS = 3
"""Attempts: somebody else may take the connection that is to change hands."""
_REFUSES_OPTIONS = "unsupported startup parameter"
OPTIONS_ADVICE = (
    "PgBouncer refuses the start-up options: set ignore_startup_parameters = options there and statement_timeout, lock_timeout and jit "
    "at the role, or DATABASE_PREPARED_STATEMENTS=false (docs/deployment/postgresql.md)."
)
PREPARED_ADVICE = (
    "The pooler before PostgreSQL does not keep prepared statements: set DATABASE_PREPARED_STATEMENTS=false, or use PgBouncer 1.21 or "
    "later with max_prepared_statements (docs/deployment/postgresql.md)."
)


class _Client(psycopg.Connection[Any]):
    """A connection on which nothing takes longer than SECONDS."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, SECONDS)


def is_pooled(connection: "psycopg.Connection[Any]") -> bool:
    """Whether who answers is another process than the one that was connected to. One query, outside a transaction."""
    row = connection.execute("SELECT pg_backend_pid()").fetchone()
    return row is not None and row[0] != connection.info.backend_pid


def pooling_problem(params: Mapping[str, Any], *, prepared: bool) -> str | None:
    """What cannot work with these connection parameters, in a sentence; None for nothing, or while the database does not answer."""
    arguments = {**with_addresses(params), "autocommit": True, "connect_timeout": CONNECT_SECONDS}
    try:
        with _Client.connect(**arguments) as first, _Client.connect(**arguments) as second:
            if not prepared or not is_pooled(first):
                return None
            if any(_loses_a_statement(first, second) for _ in range(ROUNDS)):
                return PREPARED_ADVICE
    except psycopg.OperationalError as error:
        if _REFUSES_OPTIONS in str(error):
            return OPTIONS_ADVICE
        logger.warning("Whether the database takes prepared statements could not be tried: %s", error)
    return None


def _loses_a_statement(first: "_Client", second: "_Client") -> bool:
    """Whether a statement that one client has prepared is gone once another client has its connection of the server."""
    try:
        first.execute("SELECT 1", prepare=True)
        with second.transaction():
            second.execute("SELECT 1")
            first.execute("SELECT 1", prepare=True)
    except (psycopg.errors.InvalidSqlStatementName, psycopg.errors.DuplicatePreparedStatement):
        return True
    return False
