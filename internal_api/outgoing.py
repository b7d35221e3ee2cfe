"""Requests to URLs that people have entered: never to the inside of the network, never longer or larger than allowed.

One deadline holds for the whole of it: look-up, connecting to any of the host's IP addresses, handshake, request and answer.

The address is looked up once, judged, and connected to as it was judged, so that a name cannot turn into another address in
between. Redirects are not followed. Proxies of the environment are not used: they would look names up by themselves.
"""

import http.client
import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import SplitResult, urlsplit

from internal_api.host_names import is_host

MOST_OF_AN_ANSWER = 16 * 1024
"""Bytes of an answer's body that are read."""
LONGEST_URL = 2048
_PORTS = {"http": 80, "https": 443}
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_SPECIAL_IPV4 = [
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24",
        "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    )
]  # fmt: skip
"""IPv4 addresses that are not public (RFC 6890 and the registry that it founded)."""
_SPECIAL_IPV6 = [ipaddress.IPv6Network(network) for network in ("2001::/23", "2001:db8::/32", "3fff::/20")]
"""Within 2000::/3: protocol assignments, Teredo among them, and documentation."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_CONTROL_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
MOST_LOOKUPS = 16
"""Look-ups of one process that may wait for the name servers at the same time. A look-up cannot be interrupted."""
_lookups = threading.BoundedSemaphore(MOST_LOOKUPS)


class OutgoingError(Exception):
    """No answer came, or none was asked for; one sentence says why."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back; `body` is cut, `duration_ms` is the whole exchange."""

    status: int
    headers: dict[str, str]
    body: str
    duration_ms: int


def parse_target(url: str) -> SplitResult:
    """The parts of an address that may be called at all. Raises OutgoingError with what is wrong with it."""
    if len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise OutgoingError("The address must be plain text without spaces, of at most 2048 characters.")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise OutgoingError("The address cannot be read.") from error
    if parts.scheme not in _PORTS or not parts.hostname or port == 0:
        raise OutgoingError("The address must start with http:// or https:// and name a host.")
    if not is_host(parts.hostname):
        raise OutgoingError("The host of the address must be a host name or an IP address; an IPv6 address has no zone.")
    if parts.username is not None or parts.password is not None:
        raise OutgoingError("The address must not hold a user name or password; use the token.")
    return parts


def _ipv4_inside(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for: mapped, NAT64 (RFC 6052) or 6to4."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


def is_inside(address: str) -> bool:
    """Return whether an IP address is anything but a public unicast address, or stands for an IPv4 address that is none."""
    found: _Address | None = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        embedded = _ipv4_inside(found)
        if embedded is None:
            return found not in _GLOBAL_UNICAST or any(found in network for network in _SPECIAL_IPV6)
        found = embedded
    return any(found in network for network in _SPECIAL_IPV4)


def _is_allowed(host: str, port: int, address: str, allowed: Iterable[str]) -> bool:
    """Whether an operator has named the host, host:port, or a range that holds the address."""
    for entry in allowed:
        if entry.lower() in {host, f"{host}:{port}"}:
            return True
        with suppress(ValueError):
            if ipaddress.ip_address(address.partition("%")[0]) in ipaddress.ip_network(entry, strict=False):
                return True
    return False


class _Deadline:
    """The end of a request, set when it starts."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.started = time.monotonic()

    @property
    def left(self) -> float:
        """Seconds until the end, never negative."""
        return max(0.0, self.started + self.seconds - time.monotonic())

    @property
    def error(self) -> OutgoingError:
        return OutgoingError(f"No answer within {self.seconds:g} seconds.")


def _look_up(host: str, port: int, seconds: float) -> list[str]:
    """Return the IP addresses of a host. The look-up goes on in its thread when nobody waits for it any more.

    Raises OSError or UnicodeError, TimeoutError after so many seconds, and OutgoingError when too many look-ups wait already.
    """
    with suppress(ValueError):
        return [str(ipaddress.ip_address(host))]  # nothing to look up
    if not _lookups.acquire(blocking=False):
        raise OutgoingError(f"The host {host} was not looked up: the name servers do not answer.")
    outcome: queue.SimpleQueue[list[str] | OSError | UnicodeError] = queue.SimpleQueue()

    def look_up() -> None:
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            outcome.put(list(dict.fromkeys(str(entry[4][0]) for entry in found)))
        except (OSError, UnicodeError) as error:
            outcome.put(error)
        finally:
            _lookups.release()

    threading.Thread(target=look_up, name=f"look-up of {host}"[:64], daemon=True).start()
    try:
        result = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError from None
    if isinstance(result, list):
        return result
    raise result


def addresses_of(host: str, port: int, allowed: Iterable[str], seconds: float = 10.0) -> list[str]:
    """Return the IP addresses at which a host may be reached.

    Raises OutgoingError when it is not found within so many seconds, or when any of its addresses is inside and not allowed.
    """
    try:
        addresses = _look_up(host, port, seconds)
    except TimeoutError as error:
        raise OutgoingError(f"The host {host} was not found within {seconds:g} seconds.") from error
    except (OSError, UnicodeError) as error:
        raise OutgoingError(f"The host {host} cannot be found.") from error
    allowed = list(allowed)
    if any(is_inside(address) and not _is_allowed(host, port, address, allowed) for address in addresses):
        raise OutgoingError(f"The host {host} has an address inside the network, which is not allowed.")
    return addresses


def _connect(host: str, port: int, allowed: Iterable[str], deadline: _Deadline) -> socket.socket:
    """Return a connection to the first of a host's IP addresses that takes one; each is given its share of the time."""
    problem: OSError | None = None
    addresses = addresses_of(host, port, allowed, deadline.left)
    for tried, address in enumerate(addresses):
        share = deadline.left / (len(addresses) - tried)
        if not share:
            break
        try:
            return socket.create_connection((address, port), timeout=share)
        except OSError as error:
            problem = error
    raise OutgoingError(f"No connection to {host}: {problem or deadline.error}") from problem


class _Timed:
    """A socket whose every wait ends at the deadline of the whole request, however busy the other side looks."""

    deadline: _Deadline

    def _limit(self) -> None:
        if not self.deadline.left:
            raise TimeoutError("timed out")
        self.settimeout(self.deadline.left)  # type: ignore[attr-defined]  # of the socket, here and below

    def recv_into(self, *args: Any, **options: Any) -> int:
        self._limit()
        return int(super().recv_into(*args, **options))  # type: ignore[misc]

    def send(self, *args: Any, **options: Any) -> int:
        self._limit()
        return int(super().send(*args, **options))  # type: ignore[misc]

    def sendall(self, *args: Any, **options: Any) -> None:
        self._limit()
        super().sendall(*args, **options)  # type: ignore[misc]

    def do_handshake(self, *args: Any, **options: Any) -> None:
        self._limit()
        super().do_handshake(*args, **options)  # type: ignore[misc]


class _TimedSocket(_Timed, socket.socket):
    """Without TLS."""


class _TimedTLSSocket(_Timed, ssl.SSLSocket):
    """With TLS."""


@lru_cache(maxsize=1)
def _tls() -> ssl.SSLContext:
    """Trusts what the system trusts, as it was at the first request: reading the certificates takes 10 ms and more."""
    context = ssl.create_default_context()
    context.sslsocket_class = _TimedTLSSocket
    return context


@contextmanager
def _connected(parts: SplitResult, allowed: Iterable[str], deadline: _Deadline) -> Iterator[socket.socket]:
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    raw: _Timed = _TimedSocket(fileno=_connect(host, port, allowed, deadline).detach())
    raw.deadline = deadline
    with raw:  # type: ignore[attr-defined]  # a socket
        if parts.scheme == "http":
            yield raw  # type: ignore[misc]  # likewise
            return
        with _tls().wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False) as secured:  # type: ignore[arg-type]  # likewise
            secured.deadline = deadline  # type: ignore[attr-defined]  # of the class above
            secured.do_handshake()
            yield secured


def post(url: str, body: bytes, headers: Mapping[str, str], *, allowed: Iterable[str], seconds: float) -> Reply:
    """Send a body and read the answer, within so many seconds altogether. Raises OutgoingError, which quotes nothing of the answer."""
    parts = parse_target(url)
    deadline = _Deadline(seconds)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with _connected(parts, allowed, deadline) as connected:
            connection = http.client.HTTPConnection(parts.hostname or "", timeout=seconds)
            connection.sock = connected
            sent = {"Host": parts.netloc, "Accept-Encoding": "identity", "Connection": "close", **headers}
            connection.request("POST", path, body, sent)
            with connection.getresponse() as response:
                text = response.read(MOST_OF_AN_ANSWER).decode("utf-8", "replace")
                fields = {_plain(name): _plain(value)[:1024] for name, value in list(response.getheaders())[:50]}
    except (OSError, ValueError, http.client.HTTPException) as error:
        if not deadline.left:
            raise deadline.error from error
        raise OutgoingError(_problem(error)) from error
    return Reply(response.status, fields, _CONTROL_IN_TEXT.sub("", text), round((time.monotonic() - deadline.started) * 1000))


def _plain(text: str) -> str:
    """Return a header's name or value without control characters: PostgreSQL takes no NUL, and logs are read line by line."""
    return _CONTROL.sub("", text)


def _problem(error: Exception) -> str:
    """Say what went wrong, without the words of the receiver or of a header that cannot be sent."""
    if isinstance(error, OSError):
        return f"The request failed: {_plain(str(error)) or type(error).__name__}"
    if isinstance(error, http.client.HTTPException):
        return f"The answer cannot be read: {type(error).__name__}"
    return "The request cannot be written, or the answer not read."
