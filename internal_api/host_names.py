"""Host names and IP addresses in URLs and addresses that administrators type."""

import re
from ipaddress import IPv6Address
from urllib.parse import urlsplit

LONGEST_NAME = 253
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", re.IGNORECASE | re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
MOST = 2**16 - 1


def is_host_name(text: str) -> bool:
    """Whether it is a host name (RFC 1123, with underscores) or an IPv4 address; names beyond ASCII are written in Punycode."""
    labels = text.removesuffix(".").split(".")
    return len(text) <= LONGEST_NAME and all(_LABEL.fullmatch(label) for label in labels)


def is_ipv6_address(text: str) -> bool:
    """Whether it is an IPv6 address without a zone, which names an interface of one machine alone."""
    try:
        IPv6Address(text)
    except ValueError:
        return False
    return "%" not in text


def is_host(text: str) -> bool:
    """Whether it is a host name or an IP address; IPv6 without brackets."""
    return is_host_name(text) or is_ipv6_address(text)


def endpoint_problem(text: str) -> str | None:
    """What is wrong with `host`, `host:port` or `[IPv6]:port`, as a sentence; None for nothing."""
    host, separator, port = text.rpartition(":") if ":" in text and not text.endswith("]") else (text, "", "")
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else None
    if not (is_host_name(host) if bare is None else is_ipv6_address(bare)):
        return f"{host!r} is not a host name or an IP address; an IPv6 address stands in brackets."
    if separator and not (_PORT.fullmatch(port) and 1 <= int(port) <= MOST):
        return f"The port must be a number from 1 to {MOST}, not {port!r}."
    return None


def host_of(url: str) -> str | None:
    """The host of a URL; None without one, or for one that no client could call."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port  # the port is read, since that is when it is checked
    except ValueError:
        return None
    return host if host and parts.port != 0 and is_host(host) else None
