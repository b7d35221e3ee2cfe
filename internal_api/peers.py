"""Who is at the other end of a connection, as an address."""

import re
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, ip_address, ip_network
from typing import Any

from django.conf import settings

_HOP = re.compile(r"(?:\[(?P<bracketed>[^\]]*)\]|(?P<host>[^:\[\]]*))(?::[0-9]{1,5})?", re.ASCII)
MOST_HOPS = 16
"""Entries of X-Forwarded-For that are looked at."""


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


def address_block(address: str) -> str:
    """The address that limits count by: an IPv6 address stands for its /64, which one stranger has whole."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ip_network((parsed, 64), strict=False))


def is_trusted(address: str) -> bool:
    """Whether a peer stands for many people: a unix socket, which has no address, and whatever TRUSTED_ADDRESSES names."""
    return not address or is_within(address, settings.TRUSTED_ADDRESSES)


def hop_address(hop: str) -> str | None:
    """The IP address in an entry of X-Forwarded-For, which some proxies write with a port, brackets or quotes; None where there is none.

    `1.2.3.4`, `1.2.3.4:55`, `2001:db8::1`, `[2001:db8::1]`, `[2001:db8::1]:80`, each of them in double quotes too (RFC 7239).
    """
    text = hop.strip(" \t")
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    found = _HOP.fullmatch(text)
    try:
        return str(ip_address((found["bracketed"] or found["host"]) if found else text))
    except ValueError:
        return None


def peer_of(meta: dict[str, Any]) -> str:
    """The client's IP address.

    The connection's, or, behind a trusted proxy, the last address of X-Forwarded-For that is no
    trusted proxy's: what stands further left was written by whoever sent the request.
    """
    direct: str = meta.get("REMOTE_ADDR", "")
    forwarded = meta.get("HTTP_X_FORWARDED_FOR")
    if not forwarded or not is_trusted(direct):
        return direct
    peer = direct
    for hop in reversed(str(forwarded).split(",")[-MOST_HOPS:]):
        address = hop_address(hop)
        if address is None:
            return peer
        peer = address
        if not is_trusted(peer):
            return peer
    return peer
