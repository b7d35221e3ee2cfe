"""Noticing a database that hangs: a thread of each process looks at the waits that are under way.

While waits are under way and nothing has been answered for a while, the thread asks the database itself, on a connection of its
own. A database that answers it is slow, not hung: whoever waits goes on waiting, until the server's own time-out. One that does
not is hung: new callers are refused at once, those that have waited for HANG_SECONDS lose their connection, and the thread goes
on asking until there is an answer.
"""

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import psycopg

logger = logging.getLogger(__name__)
HANG_SECONDS = 5.0
"""How long a wait lasts before its connection is given up, while the database does not answer."""
SILENT_SECONDS = 3.0
"""Silence after which the database is asked; CROWDED_SECONDS where nearly all threads wait for it."""
CROWDED_SECONDS = 0.75
PATIENCE = 2.0
"""How long a caller waits outside while nearly all threads wait for a database that does not answer."""
_TICK = 0.25


class DatabaseHangsError(psycopg.OperationalError):
    """The database has not answered for seconds, and is not asked until it does.

    Its SQLSTATE is that of a query that ran into its time-out: trying again, as after a restart, does not help.
    """

    sqlstate = "57014"


@dataclass(frozen=True, slots=True)
class Wait:
    """A thread waits for the database since `began`; on the socket `fd`, or -1 while it connects, which has its own time-out."""

    began: float
    fd: int


class DatabaseWatch:
    """What a process knows about one database.

    `probe` asks it and tells whether it answered; `limit` is how many threads may wait for it at once while it does not answer;
    a wait of more than `longest` seconds loses its connection in any case.
    """

    def __init__(self, name: str, probe: Callable[[], bool], limit: int, longest: float | None) -> None:
        self.name = name
        self.probe = probe
        self.limit = limit
        self.longest = longest
        self.hangs = False
        self.answered_at = time.monotonic()
        self.waits: dict[int, Wait] = {}
        self.lock = threading.Lock()

    def enter(self, fd: int = -1, *, is_in_transaction: bool = False) -> int:
        """A wait begins; the key for `leave`. Raises DatabaseHangsError.

        A thread in a transaction is let through, or those who wait for its locks would hold it up.
        """
        if self.hangs or (len(self.waits) >= self.limit and not is_in_transaction and self._stays_silent()):
            raise DatabaseHangsError(f"The database {self.name} does not answer.")
        me = threading.get_ident()
        self.waits[me] = Wait(time.monotonic(), fd)
        return me

    def leave(self, key: int, *, answered: bool) -> None:
        """It is over. With the lock, since the watching thread must not close a socket that is somebody else's by now."""
        with self.lock:
            self.waits.pop(key, None)
        if answered:
            self.answered_at = time.monotonic()

    def _stays_silent(self) -> bool:
        """Wait until the database answers anybody, or a thread less waits for it; whether that does not happen in time.

        So some threads are left for what needs no database, such as health checks.
        """
        arrived = time.monotonic()
        while len(self.waits) >= self.limit and self.answered_at < arrived:
            if self.hangs or time.monotonic() - max(self.answered_at, self._oldest()) > PATIENCE:
                return True
            time.sleep(0.002)
        return False

    def _oldest(self) -> float:
        return min((wait.began for wait in list(self.waits.values())), default=time.monotonic())

    def look(self) -> None:
        """What the watching thread does four times a second."""
        now, oldest = time.monotonic(), self._oldest()
        silence = now - max(self.answered_at, oldest)
        is_crowded = len(self.waits) >= self.limit
        if self.hangs or silence >= (CROWDED_SECONDS if is_crowded else SILENT_SECONDS):
            self._ask()
        if self.hangs:
            self._give_up(HANG_SECONDS)
        elif self.longest is not None and now - oldest > self.longest:
            self._give_up(self.longest)

    def _ask(self) -> None:
        if self.probe():
            self.answered_at = time.monotonic()
            if self.hangs:
                logger.warning("The database %s answers again", self.name)
            self.hangs = False
        elif not self.hangs:
            logger.error("The database %s does not answer; callers are refused until it does", self.name)
            self.hangs = True

    def _give_up(self, seconds: float) -> None:
        """Close the connections of those who have waited longer; they are told that the server closed it."""
        latest = time.monotonic() - seconds
        with self.lock:
            late = [wait.fd for wait in self.waits.values() if wait.began <= latest and wait.fd >= 0]
            for fd in late:
                with suppress(OSError), socket.socket(fileno=os.dup(fd)) as connection:
                    connection.shutdown(socket.SHUT_RDWR)
        if late:
            logger.error("%s connections to the database %s were given up after %s s", len(late), self.name, seconds)


class Watcher:
    """The thread, and the databases it watches."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._watches: dict[str, DatabaseWatch] = {}
        self._is_running = False

    def watch(self, name: str, make: Callable[[], DatabaseWatch]) -> DatabaseWatch:
        """The watch of that name, which is made when there is none."""
        with self._lock:
            found = self._watches.get(name)
            if found is None:
                found = self._watches[name] = make()
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="database watch", daemon=True).start()
            return found

    def _run(self) -> None:
        while True:
            time.sleep(_TICK)
            for watch in list(self._watches.values()):
                try:
                    watch.look()
                except Exception:
                    logger.exception("The database %s could not be watched", watch.name)

    def forget(self) -> None:
        """In a forked child: no thread runs, and no wait is under way."""
        self.__init__()  # type: ignore[misc]  # as new


watcher = Watcher()
os.register_at_fork(after_in_child=watcher.forget)
