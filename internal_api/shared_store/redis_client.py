"""Clients of Redis by what REDIS_URL says: a server of its own, or the primary that sentinels name."""

from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

from internal_api.name_lookup import addresses_of, is_name
from internal_api.redis_url import SentinelAddress, is_sentinel_url, sentinel_address

SECONDS = 1.0
"""How long Redis may take for an answer, and for a connection."""
SENTINEL_SECONDS = 0.5
"""The same of one sentinel; there are several to be asked."""


class _Connection(redis.Connection):
    """A connection whose host name is looked up in bounded time."""

    def _connect(self) -> Any:
        name = self.host
        if is_name(name):
            self.host = addresses_of(name)[0]
        try:
            return super()._connect()  # type: ignore[no-untyped-call]  # the package's own
        finally:
            self.host = name


class _TLSConnection(redis.SSLConnection, _Connection):
    """The same with TLS, which is checked against the name."""


class _PrimaryConnection(SentinelManagedConnection, _Connection):
    """A connection to the server that sentinels name, which they are asked for at each new connection."""


class _PrimaryTLSConnection(SentinelManagedSSLConnection, _Connection):
    """The same with TLS, which is checked against the name or address that the sentinels tell."""


_CLASSES: dict[type, type] = {redis.Connection: _Connection, redis.SSLConnection: _TLSConnection}


def client_of(url: str) -> "redis.Redis":
    """A client whose connections are made on first use, and whose every wait is bounded."""
    # A connection that was closed meanwhile is made again once; a time-out is not waited for twice.
    options: dict[str, Any] = {
        "decode_responses": True,
        "socket_timeout": SECONDS,
        "socket_connect_timeout": SECONDS,
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    }
    if is_sentinel_url(url):
        return _primary_of(sentinel_address(url), options)
    pool = redis.ConnectionPool.from_url(url, **options)
    pool.connection_class = _CLASSES.get(pool.connection_class, pool.connection_class)
    return redis.Redis(connection_pool=pool)


def _primary_of(address: SentinelAddress, options: dict[str, Any]) -> "redis.Redis":
    tls = {name: value for name, value in address.options.items() if name.startswith("ssl_")}
    sentinel_options: dict[str, Any] = {
        "socket_timeout": SENTINEL_SECONDS,
        "socket_connect_timeout": SENTINEL_SECONDS,
        "retry": Retry(NoBackoff(), 0),
        "username": address.options.get("sentinel_username"),
        "password": address.options.get("sentinel_password"),
        "ssl": address.has_tls,
        **tls,
    }
    sentinel = Sentinel(list(address.sentinels), sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]  # the package's own
    for asked in sentinel.sentinels:
        pool = asked.connection_pool
        pool.connection_class = _CLASSES.get(pool.connection_class, pool.connection_class)
    client: redis.Redis = sentinel.master_for(  # type: ignore[no-untyped-call]  # likewise
        address.service,
        connection_class=_PrimaryTLSConnection if address.has_tls else _PrimaryConnection,
        db=address.database,
        username=address.username,
        password=address.password,
        **tls,
        **options,
    )
    return client
