"""Waking workers on PostgreSQL: a task that becomes ready is notified by a trigger when its transaction is committed.

A notification needs a connection of its own that stays open, which a pooler in transaction mode cannot give: behind one
`DATABASE_LISTEN_URL` leads to PostgreSQL itself. Without, and on SQLite, workers ask every second, as they do all the same.
"""

import logging
import time
import uuid
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import connection

if TYPE_CHECKING:
    import psycopg

logger = logging.getLogger(__name__)
CHANNEL = "internal_api_tasks"
"""As in the migration that makes the trigger."""
PROBE_SECONDS = 5.0
RETRY_SECONDS = 60.0


class TaskListener:
    """Waits for tasks; a connection that is lost, or through which nothing comes, is made again after a minute."""

    def __init__(self) -> None:
        self._connection: psycopg.Connection[Any] | None = None
        self._next_attempt = 0.0

    @property
    def is_listening(self) -> bool:
        """Whether notifications arrive."""
        return self._connection is not None

    def start(self) -> None:
        """Listen from now on, where that is possible."""
        if self._connection is not None or time.monotonic() < self._next_attempt or not _is_possible():
            return
        import psycopg  # noqa: PLC0415  SQLite needs none

        self._next_attempt = time.monotonic() + RETRY_SECONDS
        try:
            self._connection = _listening()
        except psycopg.Error as error:
            logger.warning("Workers ask for tasks every second: PostgreSQL cannot be listened to: %s", " ".join(str(error).split()))
            return
        if self._connection is None:
            logger.warning(
                "Workers ask for tasks every second: notifications do not arrive, as behind a pooler in transaction mode. "
                "DATABASE_LISTEN_URL can lead past it."
            )

    def wait(self, seconds: float) -> None:
        """Return when a task has become ready since the last call, or after so many seconds."""
        self.start()
        if self._connection is None:
            time.sleep(seconds)
            return
        import psycopg  # noqa: PLC0415  likewise

        try:
            for _ in self._connection.notifies(timeout=seconds, stop_after=1):
                pass
        except psycopg.Error as error:
            logger.warning("The connection that wakes this worker was lost: %s", " ".join(str(error).split()))
            self.close()

    def close(self) -> None:
        """Listen no more."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _is_possible() -> bool:
    """Statements are not prepared behind a pooler in transaction mode, where listening would be in vain."""
    return connection.vendor == "postgresql" and bool(settings.DATABASE_LISTEN_URL or settings.PREPARED)


def _listening() -> "psycopg.Connection[Any] | None":
    """A connection to which notifications arrive, or None if they do not."""
    import psycopg  # noqa: PLC0415  likewise

    listener = psycopg.connect(settings.DATABASE_LISTEN_URL, autocommit=True) if settings.DATABASE_LISTEN_URL else _like_djangos()
    listener.execute(f"LISTEN {CHANNEL}")
    probe = uuid.uuid4().hex
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, probe])
    deadline = time.monotonic() + PROBE_SECONDS
    while (left := deadline - time.monotonic()) > 0:
        if any(notification.payload == probe for notification in listener.notifies(timeout=left, stop_after=1)):
            return listener
    listener.close()
    return None


def _like_djangos() -> "psycopg.Connection[Any]":
    import psycopg  # noqa: PLC0415  likewise

    params = connection.get_connection_params()
    ours = {"context", "cursor_factory", "prepare_threshold", "autocommit", "pool", "server_side_binding"}
    return psycopg.connect(**{name: value for name, value in params.items() if name not in ours}, autocommit=True)
