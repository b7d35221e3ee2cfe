"""Addresses of Gitaly servers, as gRPC takes them: a Unix socket, or a host and port, looked up or encrypted as the scheme says."""

from functools import lru_cache

from internal_api.host_names import endpoint_problem, is_host_name, is_ipv6_address

LONGEST_SOCKET_PATH = 107
"""Bytes: what fits into the kernel's `sockaddr_un` (unix(7))."""
SCHEMES = ("unix:", "tcp://", "tls://", "dns:", "dns+tls:")
_SCHEME_EXPECTED = "A Gitaly address starts with unix:, tcp://, tls://, dns: or dns+tls:."


@lru_cache(maxsize=1024)
def address_problem(text: str) -> str | None:
    """What is wrong with an address, as a sentence; None for nothing. Remembered, since each decision asks."""
    scheme = next((one for one in SCHEMES if text.startswith(one)), None)
    if scheme is None:
        return _SCHEME_EXPECTED
    if not text.isprintable() or any(character.isspace() for character in text):
        return "A Gitaly address has no white space or control characters."
    rest = text.removeprefix(scheme)
    if scheme == "unix:":
        return _path_problem(rest)
    return endpoint_problem(rest) if scheme in {"tcp://", "tls://"} else _target_problem(rest)


def _path_problem(rest: str) -> str | None:
    path = rest[2:] if rest.startswith("///") else rest
    if not path or path.startswith("//"):
        return "A Unix socket is written unix:/path/to/socket."
    if any(character in path for character in "%?#"):
        return "The path of a Unix socket must not contain %, ? or #, which gRPC reads as parts of a URL."
    length = len(path.encode(errors="replace"))
    return f"The path of a Unix socket has at most {LONGEST_SOCKET_PATH} bytes, not {length}." if length > LONGEST_SOCKET_PATH else None


def _target_problem(rest: str) -> str | None:
    """Of `host:port`, `/host:port`, `///host:port`, `//server:port/host:port` with the IP address of a name server."""
    if not rest.startswith("//"):
        return endpoint_problem(rest.removeprefix("/"))
    server, separator, target = rest[2:].partition("/")
    if not separator:
        return "With two slashes a name server is named: dns://1.1.1.1:53/host:port."
    return (_name_server_problem(server) if server else None) or endpoint_problem(target)


def _name_server_problem(server: str) -> str | None:
    host, _, port = server.rpartition(":")
    is_address = (
        is_ipv6_address(host[1:-1]) if host.startswith("[") else host.isascii() and host.replace(".", "").isdigit() and is_host_name(host)
    )
    return (
        None if is_address and port and endpoint_problem(server) is None else f"{server!r} is not the IP address and port of a name server."
    )
