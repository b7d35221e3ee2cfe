"""The three kinds of request that Workhorse sends to its backend (contract: git-http 1.1, 1.3 to 1.5, C2, C6, C10)."""

import gzip
import http.client
import json
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any

import jwt

MEDIA_TYPE = "application/vnd.gitlab-workhorse+json"
VERSION = "18.9.0-stand-in"
ISSUER = "gitlab-workhorse"
LARGEST_REFUSAL = 32_768
SECONDS = 300
Headers = list[tuple[str, str]]
_DROPPED = frozenset(
    [
        "content-type",
        "content-length",
        "content-encoding",
        "content-disposition",
        "accept-encoding",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "upgrade",
        "gitlab-workhorse",
        "gitlab-workhorse-api-request",
        "gitlab-workhorse-multipart-fields",
        "x-request-id",
    ]
)
"""What a pre-authorisation has not of its client's headers."""
_HOP_BY_HOP = frozenset(["connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length", "x-request-id"])


@dataclass(frozen=True)
class Reply:
    """What the backend answered. `continued`: it had sent `100 Continue` before."""

    status: int
    headers: Headers
    body: bytes
    continued: bool = False

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def media_type(self) -> str:
        return self.header("Content-Type").partition(";")[0].strip()


@dataclass
class Backend:
    """The service behind `port`, and the secret that both share."""

    port: int
    secret: bytes
    asked: list[tuple[str, str, str, int]] = field(default_factory=list)
    """Kind, method, path and status of every request, in order."""

    def sign(self, claims: dict[str, Any] | None = None) -> str:
        """A token of Workhorse's: HS256 and its name, for ever."""
        return jwt.encode({**(claims or {}), "iss": ISSUER}, self.secret, algorithm="HS256")

    def preauthorize(self, method: str, path: str, headers: Headers, request_id: str) -> Reply:
        """Kind a: signed, without a body."""
        passed = [(name, value) for name, value in headers if name.lower() not in _DROPPED | _named_by_connection(headers)]
        if not any(name.lower() == "user-agent" for name, _ in passed):
            passed.append(("User-Agent", "Go-http-client/1.1"))
        added = [
            ("Gitlab-Workhorse", VERSION),
            ("Gitlab-Workhorse-Api-Request", self.sign()),
            ("X-Request-Id", request_id),
            ("Accept-Encoding", "gzip"),
        ]
        return self._send("a", method, path, passed + added, None if method == "GET" else b"", chunked=False)

    def finalize(self, path: str, headers: Headers, body: bytes, request_id: str, *, fields: str, chunked: bool) -> Reply:
        """Kind b: the form that stands for an uploaded file, signed."""
        passed = [(name, value) for name, value in headers if name.lower() not in _HOP_BY_HOP | {"content-type"}]
        added = [
            ("Content-Type", "application/x-www-form-urlencoded"),
            ("Gitlab-Workhorse-Multipart-Fields", fields),
            ("Gitlab-Workhorse-Api-Request", self.sign()),
            *self._proxied(headers, request_id),
        ]
        return self._send("b", "PUT", path, _without(passed, added) + added, body, chunked=chunked)

    def proxy(self, method: str, path: str, headers: Headers, body: bytes | None, request_id: str, *, chunked: bool) -> Reply:
        """Kind c: as the client sent it, with what Workhorse adds."""
        dropped = _HOP_BY_HOP | _named_by_connection(headers) | {"gitlab-workhorse-multipart-fields"}
        passed = [(name, value) for name, value in headers if name.lower() not in dropped]
        added = self._proxied(headers, request_id)
        return self._send("c", method, path, _without(passed, added) + added, body, chunked=chunked)

    def call(self, method: str, path: str, body: object | None = None, request_id: str = "") -> Reply:
        """One of Workhorse's own, under the host of its `-authBackend`."""
        encoded = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        headers = [
            ("Host", f"localhost:{self.port}"),
            ("User-Agent", "GitLab-Workhorse" if body is not None else "Go-http-client/1.1"),
            ("Gitlab-Workhorse", VERSION),
            ("Gitlab-Workhorse-Api-Request", self.sign()),
            *([("Content-Type", "application/json")] if body is not None else []),
            *([("X-Request-Id", request_id)] if request_id else []),
        ]
        return self._send("own", method, path, headers, encoded, chunked=False)

    @staticmethod
    def _proxied(headers: Headers, request_id: str) -> Headers:
        forwarded = next((value for name, value in headers if name.lower() == "x-forwarded-for"), "")
        added = [
            ("Gitlab-Workhorse", VERSION),
            ("Gitlab-Workhorse-Proxy-Start", "1700000000000000000"),
            ("X-Forwarded-For", ", ".join(one for one in (forwarded, _client(forwarded)) if one)),
            ("X-Request-Id", request_id),
            ("X-Sendfile-Type", "X-Sendfile"),
        ]
        if not any(name.lower() == "x-forwarded-proto" for name, _ in headers):
            added.append(("X-Forwarded-Proto", "http"))
        return added

    def _send(self, kind: str, method: str, path: str, headers: Headers, body: bytes | None, *, chunked: bool) -> Reply:
        connection = _Connection("127.0.0.1", self.port, timeout=SECONDS)
        with closing(connection):
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in headers:
                connection.putheader(name, value)
            if chunked:
                connection.putheader("Transfer-Encoding", "chunked")
            elif body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.putheader("Connection", "close")
            connection.endheaders(_one_chunk(body or b"") if chunked else body, encode_chunked=False)
            response = connection.getresponse()
            content = response.read()
            self.asked.append((kind, method, path, response.status))
            return Reply(response.status, response.getheaders(), content, connection.continued)


class _Response(http.client.HTTPResponse):
    """Python's, which remembers that there was an interim answer."""

    continued = False

    def _read_status(self) -> tuple[str, int, str]:
        version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the stubs
        self.continued = self.continued or status == http.client.CONTINUE
        return version, status, reason


class _Connection(http.client.HTTPConnection):
    response_class = _Response
    continued = False

    def getresponse(self) -> http.client.HTTPResponse:
        response = super().getresponse()
        self.continued = bool(getattr(response, "continued", False))
        return response


def _one_chunk(body: bytes) -> bytes:
    return (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"


def _without(headers: Headers, added: Headers) -> Headers:
    """The headers that are not replaced by one of Workhorse's."""
    names = {name.lower() for name, _ in added}
    return [(name, value) for name, value in headers if name.lower() not in names]


def _named_by_connection(headers: Headers) -> frozenset[str]:
    named = (value for name, value in headers if name.lower() == "connection")
    return frozenset(token.strip().lower() for value in named for token in value.split(","))


def _client(forwarded: str) -> str:
    """The leftmost public address, which even behind a correct proxy may be a forged one (C10); else the peer's."""
    for hop in forwarded.split(","):
        try:
            address = ip_address(hop.strip())
        except ValueError:
            continue
        if not (address.is_loopback or address.is_link_local or _is_private(str(address))):
            return str(address)
    return "127.0.0.1"


def _is_private(address: str) -> bool:
    return address.startswith(("10.", "192.168.", "fc", "fd")) or any(address.startswith(f"172.{number}.") for number in range(16, 32))


def plain_body(reply: Reply) -> bytes:
    """An answer's body as the client sees it."""
    return gzip.decompress(reply.body) if reply.header("Content-Encoding") == "gzip" else reply.body


def decoded(reply: Reply, strings: Iterable[str], numbers: Iterable[str]) -> dict[str, Any] | None:
    """The answer to a pre-authorisation, with the types of the real one's struct; None where it cannot be decoded."""
    try:
        body = json.loads(plain_body(reply))
    except ValueError:
        return None
    if not isinstance(body, dict) or not all(_well_typed(body, strings, numbers)):
        return None
    return body


def _well_typed(body: dict[str, Any], strings: Iterable[str], numbers: Iterable[str]) -> Iterator[bool]:
    for name in strings:
        yield isinstance(body.get(name) or "", str)
    for name in numbers:
        value = body.get(name)
        yield value is None or (isinstance(value, int) and not isinstance(value, bool))
    metadata = (body.get("GitalyServer") or {}).get("call_metadata") or {}
    yield isinstance(metadata, dict)
    yield all(isinstance(value, str) for value in metadata.values())
