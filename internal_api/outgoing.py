"""Requests to addresses that people have entered: never to the inside of the network, never longer or larger than allowed.

The address is looked up once, judged, and connected to as it was judged, so that a name cannot turn into another address in
between. Redirects are not followed. Proxies of the environment are not used: they would look names up by themselves.
"""

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

MOST_OF_AN_ANSWER = 16 * 1024
"""Bytes of an answer's body that are read."""
LONGEST_URL = 2048
_PORTS = {"http": 80, "https": 443}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


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
    if parts.username is not None or parts.password is not None:
        raise OutgoingError("The address must not hold a user name or password; use the token.")
    return parts


def _unwrapped(address: _Address) -> _Address:
    """The IPv4 address inside an IPv6 one that stands for it."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else address)


def is_inside(address: str) -> bool:
    """Whether an address is private, link-local, loopback, multicast or otherwise not of the open internet."""
    found = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    return not found.is_global or found.is_multicast


def _is_allowed(host: str, port: int, address: str, allowed: Iterable[str]) -> bool:
    """Whether an operator has named the host, host:port, or a range that holds the address."""
    for entry in allowed:
        if entry.lower() in {host, f"{host}:{port}"}:
            return True
        with suppress(ValueError):
            if ipaddress.ip_address(address.partition("%")[0]) in ipaddress.ip_network(entry, strict=False):
                return True
    return False


def addresses_of(host: str, port: int, allowed: Iterable[str]) -> list[str]:
    """Where a host may be reached. Raises OutgoingError when it cannot be found, or when any of its addresses is inside and not allowed."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise OutgoingError(f"The host {host} cannot be found.") from error
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    allowed = list(allowed)
    if any(is_inside(address) and not _is_allowed(host, port, address, allowed) for address in addresses):
        raise OutgoingError(f"The host {host} has an address inside the network, which is not allowed.")
    return addresses


@contextmanager
def _connected(parts: SplitResult, allowed: Iterable[str], seconds: float) -> Iterator[socket.socket]:
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    problem: OSError | None = None
    for address in addresses_of(host, port, allowed):
        try:
            raw = socket.create_connection((address, port), timeout=seconds)
        except OSError as error:
            problem = error
            continue
        connected = _secured(raw, host) if parts.scheme == "https" else raw
        with connected, _cut_off(connected, seconds):
            if isinstance(connected, ssl.SSLSocket):
                connected.do_handshake()
            yield connected
            return
    raise OutgoingError(f"No connection to {host}: {problem}") from problem


def _secured(raw: socket.socket, host: str) -> ssl.SSLSocket:
    return ssl.create_default_context().wrap_socket(raw, server_hostname=host, do_handshake_on_connect=False)


@contextmanager
def _cut_off(connected: socket.socket, seconds: float) -> Iterator[None]:
    """End the connection after so many seconds, however busy the other side looks: a time-out of reads alone can be fed for ever."""

    def cut() -> None:
        with suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def post(url: str, body: bytes, headers: Mapping[str, str], *, allowed: Iterable[str], seconds: float) -> Reply:
    """Send a body and read the answer, within so many seconds. Raises OutgoingError."""
    parts = parse_target(url)
    started = time.monotonic()
    host = parts.netloc
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    try:
        with _connected(parts, allowed, seconds) as connected:
            connection = http.client.HTTPConnection(parts.hostname or "", timeout=seconds)
            connection.sock = connected
            connection.request("POST", path, body, {"Host": host, "Accept-Encoding": "identity", "Connection": "close", **headers})
            with connection.getresponse() as response:
                text = response.read(MOST_OF_AN_ANSWER).decode("utf-8", "replace")
                fields = {name: value[:1024] for name, value in list(response.getheaders())[:50]}
    except ValueError as error:  # not told, since it may quote a header
        raise OutgoingError("The request cannot be written, or the answer not read.") from error
    except (OSError, http.client.HTTPException) as error:
        if time.monotonic() - started >= seconds:
            raise OutgoingError(f"No answer within {seconds:g} seconds.") from error
        raise OutgoingError(f"The request failed: {str(error) or type(error).__name__}") from error
    return Reply(response.status, fields, text.replace("\0", ""), round((time.monotonic() - started) * 1000))
