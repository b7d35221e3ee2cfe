"""Who is at the other end of a connection, as an address."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Any

from django.conf import settings


@lru_cache(maxsize=64)
def _networks(entries: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(ip_network(entry, strict=False) for entry in entries)


def is_within(address: str, entries: Iterable[str]) -> bool:
    """Whether an address lies in one of the ranges; a text that is none does not."""
    return _is_within(address, tuple(entries))


@lru_cache(maxsize=1024)
def _is_within(address: str, entries: tuple[str, ...]) -> bool:
    try:
        peer = ip_address(address)
    except ValueError:
        return False
    return any(peer in network for network in _networks(entries))


def is_trusted(address: str) -> bool:
    """Whether a peer stands for many people: a unix socket, which has no address, and whatever TRUSTED_ADDRESSES names."""
    return not address or is_within(address, settings.TRUSTED_ADDRESSES)


def peer_of(meta: dict[str, Any]) -> str:
    """The address of whoever asks: the connection's, or, where that is a trusted proxy's, what the proxy says last."""
    direct: str = meta.get("REMOTE_ADDR", "")
    forwarded = meta.get("HTTP_X_FORWARDED_FOR")
    if not forwarded or not is_trusted(direct):
        return direct
    said = str(forwarded).rpartition(",")[2].strip()
    try:
        return str(ip_address(said))
    except ValueError:
        return direct
