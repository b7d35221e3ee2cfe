"""Connections to PostgreSQL whose every wait is watched (see `watch`), and whose host name is looked up in bounded time."""

import logging
from collections.abc import Mapping
from typing import Any, Self, TypeVar

import psycopg
from django.conf import settings
from psycopg.abc import PQGen
from psycopg.conninfo import conninfo_to_dict

from internal_api.name_lookup import NameLookupError, addresses_of, is_name
from internal_api.postgresql.watch import DatabaseWatch, watcher

logger = logging.getLogger(__name__)
RV = TypeVar("RV")
PROBE_SECONDS = 2
_IDLE = psycopg.pq.TransactionStatus.IDLE
_FEWEST_THREADS = 4
"""With fewer, none is kept free of waiting for the database."""
_INTERVAL = 0.1
_MOST_ADDRESSES = 3
"""Of one host; each may take `connect_timeout`."""
_SLACK = 5
"""Seconds after the server's own time-out for a statement."""


def with_addresses(params: Mapping[str, Any]) -> dict[str, Any]:
    """Connection parameters with the addresses of their host names, so that nobody else looks them up. Raises OperationalError.

    Of several hosts, those that cannot be looked up are left out, unless none is left.
    """
    host, given = params.get("host"), dict(params)
    if not isinstance(host, str) or given.get("hostaddr") or not any(is_name(one) for one in host.split(",")):
        return given
    names = host.split(",")
    ports = str(given.get("port") or "").split(",")
    has_ports = len(ports) > 1  # or the one is for all of them
    found: list[tuple[str, str, str]] = []
    error: NameLookupError | None = None
    for name, port in zip(names, ports if has_ports else [""] * len(names), strict=False):
        try:
            found += [(name, address, port) for address in _addresses(name)]
        except NameLookupError as failed:
            error = failed
    if error is not None and not found:
        raise psycopg.OperationalError(str(error)) from error
    hosts, addresses, chosen = (",".join(column) for column in zip(*found, strict=True))
    return {**given, "host": hosts, "hostaddr": addresses} | ({"port": chosen} if has_ports else {})


def _addresses(name: str) -> tuple[str, ...]:
    """The IP addresses of one host; none for a socket, whose directory is its name. Raises NameLookupError."""
    if is_name(name):
        return addresses_of(name)[:_MOST_ADDRESSES]
    return ("",) if name.startswith(("/", "@")) else (name,)


class Probe(psycopg.Connection[Any]):
    """A connection on which nothing takes longer than PROBE_SECONDS."""

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, PROBE_SECONDS)


def answers(params: Mapping[str, Any]) -> bool:
    """Whether a database answers a new connection, be it with an error: having no connection left is an answer, too."""
    try:
        arguments = {**with_addresses(params), "connect_timeout": PROBE_SECONDS, "autocommit": True}
        with Probe.connect(**arguments) as connection:
            connection.execute("SELECT 1")
    except psycopg.errors.ConnectionTimeout:
        return False
    except psycopg.OperationalError as error:
        text = str(error)
        return error.sqlstate is not None or "FATAL" in text or "refused" in text
    except psycopg.Error:
        return False
    return True


def watch_of(params: Mapping[str, Any]) -> DatabaseWatch:
    """The watch of the server and database that some parameters lead to."""
    name = f"{params.get('host') or 'localhost'}:{params.get('port') or 5432}/{params.get('dbname') or ''}"
    threads = settings.WEB_THREADS
    limit = threads - threads // 4 if threads >= _FEWEST_THREADS else threads

    def make() -> DatabaseWatch:
        connecting = {key: value for key, value in params.items() if key not in {"prepare_threshold", "context", "cursor_factory"}}
        longest = settings.DECISION_SECONDS + _SLACK if "statement_timeout" in str(params.get("options")) else None
        return DatabaseWatch(name, lambda: answers(connecting), limit, longest)

    return watcher.watch(name, make)


class WatchedConnection(psycopg.Connection[Any]):
    """A connection that is given up when the database hangs."""

    watch: DatabaseWatch | None = None

    @classmethod
    def connect(cls, conninfo: str = "", **kwargs: Any) -> Self:
        """Connect. Raises OperationalError, at once while the database hangs."""
        watch = watch_of({**conninfo_to_dict(conninfo), **kwargs})
        key, answered = watch.enter(), False
        try:
            connection = super().connect(conninfo, **with_addresses(kwargs))
            answered = True
        finally:
            watch.leave(key, answered=answered)
        connection.watch = watch
        return connection

    def wait(self, gen: PQGen[RV], interval: float = _INTERVAL, timeout: float | None = None) -> RV:
        """Run what talks to the server, watched. Raises DatabaseHangsError at once while it hangs."""
        watch = self.watch
        if watch is None:
            return super().wait(gen, interval, timeout)
        pgconn = self.pgconn
        key, answered = watch.enter(pgconn.socket, is_in_transaction=pgconn.transaction_status != _IDLE), False
        try:
            result = super().wait(gen, interval, timeout)
            answered = True
            return result
        except psycopg.Error as error:
            answered = error.sqlstate is not None  # an error that the server told
            raise
        finally:
            watch.leave(key, answered=answered)
