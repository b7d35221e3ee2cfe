"""Looking host names up within a bounded time: `getaddrinfo` waits for a name server as long as the machine's resolver likes.

Each look-up runs in a thread of its own. Whoever asks waits SECONDS for it at most; then the addresses that were found last
are used, however old they are, or there are none. A name that is being looked up is not looked up twice at once.
"""

import ipaddress
import socket
import threading
import time
from dataclasses import dataclass

SECONDS = 2.0
FRESH = 30.0
"""Seconds for which an answer is used without asking again."""
_MOST_THREADS = 8


class NameLookupError(OSError):
    """A host name has no address, or nobody answers which."""


@dataclass(frozen=True, slots=True)
class _Answer:
    addresses: tuple[str, ...]
    at: float


class _Lookup:
    """One look-up that is under way."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.done = threading.Event()
        self.error: OSError | None = None


_lock = threading.Lock()
_answers: dict[str, _Answer] = {}
_under_way: dict[str, _Lookup] = {}


def forget() -> None:
    """Let this process begin again: in a forked child no look-up is under way, and tests want no earlier answers."""
    _answers.clear()
    _under_way.clear()


def is_name(host: str) -> bool:
    """Whether a host has to be looked up: neither an IP address nor the path of a socket."""
    if not host or host.startswith(("/", "@")):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return True
    return False


def addresses_of(host: str, seconds: float = SECONDS) -> tuple[str, ...]:
    """The IP addresses of a host name, in the resolver's order. Raises NameLookupError."""
    now = time.monotonic()
    with _lock:
        known = _answers.get(host)
        if known is not None and now - known.at < FRESH:
            return known.addresses
        lookup = _under_way.get(host)
        if lookup is None and len(_under_way) < _MOST_THREADS:
            lookup = _under_way[host] = _Lookup()
            threading.Thread(target=_look_up, args=(host, lookup), name=f"look up {host}", daemon=True).start()
    if lookup is not None:
        lookup.done.wait(max(lookup.began + seconds - now, 0))
        fresh = _answers.get(host)
        if lookup.done.is_set() and lookup.error is None and fresh is not None:
            return fresh.addresses
    if known is not None:
        return known.addresses
    why = (lookup.error if lookup is not None else None) or f"no name server has answered within {seconds:g} s"
    raise NameLookupError(f"{host} could not be looked up: {why}")


def _look_up(host: str, lookup: _Lookup) -> None:
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        _answers[host] = _Answer(tuple(dict.fromkeys(str(one[4][0]) for one in found)), time.monotonic())
    except OSError as error:
        lookup.error = error
    finally:
        with _lock:
            _under_way.pop(host, None)
        lookup.done.set()
