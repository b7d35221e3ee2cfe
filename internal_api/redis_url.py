"""Reading REDIS_URL: which forms there are, and what is wrong with one that cannot work.

    redis://[[user]:password@]host[:6379][/db]
    rediss://...                                   the same with TLS; ?ssl_ca_certs=FILE names the authority
    unix://[[user]:password@]/path/of/socket[?db=0]
    redis+sentinel://[[user]:password@]host[:26379][,host[:26379]...]/service[/db]
    rediss+sentinel://...                          TLS to the sentinels and to Redis

Standard library only: the settings read it before anything else is loaded.
"""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

SENTINEL_PORT = 26379
_SENTINEL = "+sentinel"
_SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel")
_TLS_FILES = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile"})
_TLS_OPTIONS = _TLS_FILES | {"ssl_cert_reqs", "ssl_check_hostname"}
_SENTINEL_OPTIONS = frozenset({"sentinel_username", "sentinel_password"})
_OPTIONS = frozenset({"db", "client_name"})


class InvalidRedisURLError(ValueError):
    """REDIS_URL cannot work; one sentence, without the password."""


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """Where sentinels are asked for the Redis that is the primary of a service."""

    sentinels: tuple[tuple[str, int], ...]
    service: str
    database: int
    username: str | None
    password: str | None
    has_tls: bool
    options: dict[str, str]


def check_redis_url(url: str) -> None:
    """Raise InvalidRedisURLError for a URL that no Redis can be reached by. Empty is no Redis, and valid."""
    if not url:
        return
    scheme = url.partition("://")[0]
    if scheme not in _SCHEMES or "://" not in url:
        raise InvalidRedisURLError(f"REDIS_URL must begin with {', '.join(f'{one}://' for one in _SCHEMES[:-1])} or {_SCHEMES[-1]}://.")
    _check_options(url, scheme)
    if scheme.endswith(_SENTINEL):
        sentinel_address(url)
    elif scheme == "unix":
        if not urlsplit(url).path.strip("/"):
            raise InvalidRedisURLError("REDIS_URL names no socket: unix:///run/redis/redis.sock is expected.")
    else:
        _check_server(url, scheme)


def is_sentinel_url(url: str) -> bool:
    """Whether sentinels are to be asked."""
    return url.partition("://")[0].endswith(_SENTINEL)


def sentinel_address(url: str) -> SentinelAddress:
    """What a URL with `+sentinel` says. Raises InvalidRedisURLError."""
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    username, _, password = credentials.partition(":")
    service, *database = [unquote(one) for one in parts.path.strip("/").split("/")]
    form = f"{parts.scheme}://host:{SENTINEL_PORT},host:{SENTINEL_PORT}/service/0 is expected"
    if not hosts or not service or len(database) > 1:
        raise InvalidRedisURLError(f"REDIS_URL must name sentinels and the service that they watch: {form}.")
    return SentinelAddress(
        sentinels=tuple(_host_and_port(one) for one in hosts.split(",")),
        service=service,
        database=_database(database[0] if database else ""),
        username=unquote(username) or None,
        password=unquote(password) or None,
        has_tls=parts.scheme.startswith("rediss"),
        options=dict(parse_qsl(parts.query)),
    )


def _host_and_port(text: str) -> tuple[str, int]:
    try:
        parts = urlsplit(f"//{text}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host:
        raise InvalidRedisURLError(f"REDIS_URL: {text!r} is no host and port of a sentinel.")
    return host, port or SENTINEL_PORT


def _check_server(url: str, scheme: str) -> None:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or "," in host:
        form = f"{scheme}://host:6379/0, or {scheme}{_SENTINEL}://host,host/service/0 for sentinels"
        raise InvalidRedisURLError(f"REDIS_URL must name one host: {form}.")
    _database(parts.path.strip("/"))


def _database(text: str) -> int:
    if text and not (text.isascii() and text.isdigit()):
        raise InvalidRedisURLError(f"REDIS_URL: the database must be a number, not {text!r}.")
    return int(text or 0)


def _check_options(url: str, scheme: str) -> None:
    """Options that nobody reads are mistakes, and those of TLS without TLS a dangerous one."""
    options = dict(parse_qsl(urlsplit(url).query, keep_blank_values=True))
    known = _OPTIONS
    if scheme.startswith("rediss"):
        known |= _TLS_OPTIONS
    if scheme.endswith(_SENTINEL):
        known |= _SENTINEL_OPTIONS
    unknown = sorted(set(options) - known)
    if unknown:
        raise InvalidRedisURLError(
            f"REDIS_URL: {', '.join(unknown)} cannot be used with {scheme}://; options are {', '.join(sorted(known))}."
        )
    for name in sorted(_TLS_FILES & set(options)):
        if not Path(options[name]).is_file():
            raise InvalidRedisURLError(f"REDIS_URL: {name} names {options[name]}, which is no file.")
