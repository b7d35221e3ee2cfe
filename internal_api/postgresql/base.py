"""The backend, by the name that Django expects: DATABASES' ENGINE is `internal_api.postgresql`."""

from typing import Any

from django.db.backends.postgresql import base
from psycopg import IsolationLevel

from internal_api.postgresql.connection import WatchedConnection, watch_of
from internal_api.postgresql.operations import DatabaseOperations
from internal_api.postgresql.pooling import is_pooled
from internal_api.postgresql.times import with_nearest_times


class DatabaseWrapper(base.DatabaseWrapper):
    """Django's own, with connections that are watched and statements that fit the protocol."""

    ops_class = DatabaseOperations

    def __init__(self, settings_dict: dict[str, Any], alias: str = "default") -> None:
        super().__init__(settings_dict, alias)
        pool = settings_dict["OPTIONS"].get("pool")
        if isinstance(pool, dict):
            pool.setdefault("connection_class", WatchedConnection)

    def chunked_cursor(self) -> Any:
        """A cursor of the server, as Django's; not through a pooler outside a transaction: its rows would be on another connection."""
        if not self.in_atomic_block:
            self.ensure_connection()
            if is_pooled(self.connection):
                return self.cursor()
        return super().chunked_cursor()

    def get_connection_params(self) -> dict[str, Any]:
        """As Django's, with times that are read whatever they are."""
        params: dict[str, Any] = super().get_connection_params()
        return {**params, "context": with_nearest_times(params["context"])}

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """As Django's, which has no setting for the class. Isolation levels are not set here: READ COMMITTED is PostgreSQL's own."""
        if self.pool:  # type: ignore[attr-defined]  # the stubs do not know it
            watch = watch_of(conn_params)
            key = watch.enter()
            try:
                return super().get_new_connection(conn_params)
            finally:
                watch.leave(key, answered=False)
        self.isolation_level = IsolationLevel.READ_COMMITTED
        return WatchedConnection.connect(**conn_params)
