"""Workhorse's side towards the clients: routes, bodies and answers (contract: git-http 1.1, 1.4)."""

import gzip
import posixpath
import re
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from testing.workhorse import git, uploads
from testing.workhorse.backend import LARGEST_REFUSAL, MEDIA_TYPE, Backend, Headers, Reply, decoded, plain_body

_INFO_REFS = re.compile(r".+\.git/info/refs\Z")
_POST = re.compile(r".+\.git/(git-(?:upload|receive)-pack)\Z")
_SSH_POST = re.compile(r".+\.git/ssh-(?:upload|receive)-pack\Z")
_LFS_PUT = re.compile(r".+\.git/gitlab-lfs/objects/[0-9a-f]{64}/[0-9]+\Z")
_COMMANDS = ("git-upload-pack", "git-receive-pack")
_PIECE = 64 * 1024
_PASSED_BACK = frozenset({"connection", "transfer-encoding", "content-length", "keep-alive", "date", "server"})
AUDIT = "/api/v4/internal/shellhorse/git_audit_event"


@dataclass
class Workhorse:
    """Serves at `url`; `repositories` is the directory of Gitaly's storages."""

    backend: Backend
    repositories: Path
    url: str = ""
    gitaly_is_away: bool = False
    audits: list[int] = field(default_factory=list)
    """The statuses of its audit calls."""

    def start(self) -> None:
        """Ask what Workhorse asks when it starts."""
        self.backend.call("GET", "/api/v4/geo/proxy")

    def audit(self, command: git.GitCommand, body: bytes) -> None:
        """Report a command that has run."""
        report: dict[str, Any] = {
            "action": command.command,
            "protocol": "http",
            "gl_repository": command.access["GL_REPOSITORY"],
            "username": command.access["GL_USERNAME"] or "",
            "changes": "_any",
        }
        if command.command == "git-upload-pack":
            report["packfile_stats"] = git.packfile_stats(body)
        self.audits.append(self.backend.call("POST", AUDIT, report, command.request_id).status)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    workhorse: Workhorse

    def respond(self) -> None:
        """Answer one request by the first route that matches."""
        self.request_id = uuid.uuid4().hex
        path = posixpath.normpath(unquote(urlsplit(self.path).path))
        content_type = self.headers.get("Content-Type", "").partition(";")[0].strip()
        posted = _POST.match(path)
        if self.command == "GET" and _INFO_REFS.match(path):
            self.info_refs()
        elif self.command == "POST" and posted and content_type == f"application/x-{posted[1]}-request":
            self.pack(posted[1])
        elif self.command == "PUT" and _LFS_PUT.match(path) and content_type == "application/octet-stream":
            self.upload()
        elif self.command == "POST" and _SSH_POST.match(path):
            self.give_back(self.backend.preauthorize("POST", self.path, self.sent(), self.request_id))
        else:
            self.pass_on()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = respond  # noqa: N815  the parent's names

    @property
    def backend(self) -> Backend:
        return self.workhorse.backend

    def sent(self) -> Headers:
        """The client's headers."""
        return list(self.headers.items())

    @property
    def is_chunked(self) -> bool:
        return self.headers.get("Transfer-Encoding", "").lower() == "chunked"

    def pieces(self) -> Iterator[bytes]:
        """The client's body."""
        if not self.is_chunked:
            left = int(self.headers.get("Content-Length") or 0)
            while left and (piece := self.rfile.read(min(left, _PIECE))):
                left -= len(piece)
                yield piece
            return
        while length := int(self.rfile.readline().partition(b";")[0], 16):
            yield self.rfile.read(length)
            self.rfile.readline()
        while self.rfile.readline().strip():
            pass

    def body(self) -> bytes:
        """The client's body, whole and decoded."""
        content = b"".join(self.pieces())
        return gzip.decompress(content) if self.headers.get("Content-Encoding") == "gzip" else content

    # --- kind a --------------------------------------------------------------------------------------------------------

    def authorized(self, reply: Reply, strings: tuple[str, ...], numbers: tuple[str, ...]) -> dict[str, Any] | None:
        """What the backend allows; None where the client has been answered."""
        if reply.status != HTTPStatus.OK or reply.media_type != MEDIA_TYPE:
            self.give_back(reply)
            return None
        body = decoded(reply, strings, numbers)
        if body is None:
            self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"Internal Server Error\n")
        return body

    def command_of(self, command: str) -> git.GitCommand | None:
        reply = self.backend.preauthorize(self.command, self.path, self.sent(), self.request_id)
        access = self.authorized(reply, git.STRINGS, git.NUMBERS)
        if access is None:
            return None
        protocol = self.headers.get("Git-Protocol", "")
        return git.GitCommand(command, access, self.workhorse.repositories, protocol, self.request_id)

    def info_refs(self) -> None:
        service = parse_qs(urlsplit(self.path).query).get("service", [""])[0]
        command = self.command_of(service)
        if command is None:
            return
        if service not in _COMMANDS:
            self.answer(HTTPStatus.NOT_FOUND, b"Not Found\n")
        elif self.workhorse.gitaly_is_away:
            text = b"The git server, Gitaly, is not available at this time. Please contact your administrator.\n"
            self.answer(HTTPStatus.SERVICE_UNAVAILABLE, text)
        elif not command.exists:  # the header is set before the error is known: git cannot read the text (C4)
            spoiled = [("Content-Encoding", "gzip")] if "gzip" in self.headers.get("Accept-Encoding", "") else []
            self.answer(HTTPStatus.NOT_FOUND, b"Not Found.\n", spoiled)
        else:
            self.answer(HTTPStatus.OK, command.advertisement(), _git_headers(f"application/x-{service}-advertisement"))

    def pack(self, name: str) -> None:
        command = self.command_of(name)
        if command is None:
            return
        if self.workhorse.gitaly_is_away or not command.exists:
            self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"")
            return
        body = self.body()
        self.answer(HTTPStatus.OK, command.run(body), _git_headers(f"application/x-{name}-result"))
        if command.access["NeedAudit"]:
            self.workhorse.audit(command, body)

    def upload(self) -> None:
        address, question, query = self.path.partition("?")
        reply = self.backend.preauthorize("PUT", f"{address}/authorize{question}{query}", self.sent(), self.request_id)
        authorized = self.authorized(reply, uploads.STRINGS, uploads.NUMBERS)
        if authorized is None:
            return
        if bool(authorized.get("TempPath")) is bool(authorized.get("RemoteObject")):  # both, or neither
            self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"Internal Server Error\n")
            return
        try:
            with uploads.received(self.pieces(), authorized) as upload:
                form, fields = upload.form(self.backend, self.headers.get("Content-Type", ""))
                chunked = self.is_chunked
                self.relay(self.backend.finalize(self.path, self.sent(), form, self.request_id, fields=fields, chunked=chunked))
        except uploads.TooLargeError:
            self.close_connection = True
            self.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, b"Request Entity Too Large\n")

    # --- kinds b and c -------------------------------------------------------------------------------------------------

    def pass_on(self) -> None:
        has_body = self.is_chunked or "Content-Length" in self.headers
        body = b"".join(self.pieces()) if has_body else None
        self.relay(self.backend.proxy(self.command, self.path, self.sent(), body, self.request_id, chunked=self.is_chunked))

    def relay(self, reply: Reply) -> None:
        """Give an answer to the client; the first status that the backend sent is the one that counts (C2)."""
        status = HTTPStatus.OK if reply.continued else reply.status
        if reply.media_type == MEDIA_TYPE:
            self.answer(HTTPStatus.INTERNAL_SERVER_ERROR, b"Internal Server Error\n")
        elif reply.header("X-Sendfile") and reply.status == HTTPStatus.OK:
            self.send_file(reply)
        elif reply.header("Gitlab-Workhorse-Send-Data") and reply.status == HTTPStatus.OK:
            self.send_url(reply)
        else:
            headers = [(name, value) for name, value in reply.headers if name.lower() not in _PASSED_BACK | {"x-sendfile"}]
            self.answer(status, reply.body, headers)

    def send_url(self, reply: Reply) -> None:
        """Fetch what the backend names, and pass it on with the client's range; the storage's errors are a bare 500 or its own status."""
        url, _ = uploads.sent_from_url(reply)
        passed = {name: value for name in ("Range", "If-Range", "If-None-Match", "If-Modified-Since") if (value := self.headers.get(name))}
        with uploads.fetched(url, passed) as answer:
            wanted = ("Content-Range", "Accept-Ranges", "ETag", "Last-Modified")
            headers = [(name, answer.headers[name]) for name in wanted if answer.headers.get(name)]
            length = int(answer.headers.get("Content-Length") or 0)
            self.send_head(answer.status, [("Content-Type", reply.header("Content-Type")), *headers], length)
            while self.command != "HEAD" and (piece := answer.read(_PIECE)):
                self.wfile.write(piece)

    def send_file(self, reply: Reply) -> None:
        path = Path(reply.header("X-Sendfile"))
        if not path.is_file():
            self.answer(HTTPStatus.NOT_FOUND, b"404 page not found\n")
            return
        size = path.stat().st_size
        try:
            part = uploads.byte_range(self.headers.get("Range", ""), size)
        except ValueError:
            self.answer(HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE, b"invalid range\n", [("Content-Range", f"bytes */{size}")])
            return
        first, last = part or (0, size - 1)
        headers = [
            ("Content-Type", reply.header("Content-Type")),
            ("Last-Modified", formatdate(path.stat().st_mtime, usegmt=True)),
            ("Accept-Ranges", "bytes"),
            ("X-Accel-Buffering", "no"),
            *([("Content-Range", f"bytes {first}-{last}/{size}")] if part else []),
        ]
        self.send_head(HTTPStatus.PARTIAL_CONTENT if part else HTTPStatus.OK, headers, last - first + 1)
        if self.command == "HEAD":
            return
        with path.open("rb") as file:
            file.seek(first)
            left = last - first + 1
            while left and (piece := file.read(min(left, _PIECE))):
                self.wfile.write(piece)
                left -= len(piece)

    # --- answers -------------------------------------------------------------------------------------------------------

    def give_back(self, reply: Reply) -> None:
        """Give the answer to a pre-authorisation to the client, unless it is too long to be an error."""
        body = plain_body(reply)
        if len(body) >= LARGEST_REFUSAL:
            status = reply.status if reply.status == HTTPStatus.NOT_FOUND else HTTPStatus.INTERNAL_SERVER_ERROR
            self.answer(status, b"")
            return
        passed = [(name, value) for name, value in reply.headers if name.lower() not in _PASSED_BACK | {"content-encoding"}]
        self.answer(reply.status, body, passed)

    def answer(self, status: int, body: bytes, headers: Headers | None = None) -> None:
        given = headers if headers is not None else []
        if not any(name.lower() == "content-type" for name, _ in given):
            given = [("Content-Type", "text/plain; charset=utf-8"), *given]
        self.send_head(status, given, len(body))
        if self.command != "HEAD":
            self.wfile.write(body)
        self._let_go()

    def send_head(self, status: int, headers: Headers, length: int) -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        if status >= HTTPStatus.BAD_REQUEST:  # the client's body may not have been read
            self.close_connection = True
            self.send_header("Connection", "close")
        self.end_headers()

    def _let_go(self) -> None:
        """Read what the client still sends after a refusal: closing before that would lose the answer."""
        if self.close_connection and self.command in {"POST", "PUT"}:
            self.connection.settimeout(0.2)
            try:
                while self.rfile.read1(_PIECE):
                    pass
            except OSError:
                return

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
        """Say nothing: what was asked of the backend is kept."""


def _git_headers(content_type: str) -> Headers:
    return [("Content-Type", content_type), ("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no")]


@contextmanager
def running(port: int, secret: bytes, repositories: Path, *, listen: int = 0) -> Iterator[Workhorse]:
    """A Workhorse before the service at a port, for as long as the block runs."""
    workhorse = Workhorse(Backend(port, secret), repositories)
    handler = type("Handler", (_Handler,), {"workhorse": workhorse})
    with ThreadingHTTPServer(("127.0.0.1", listen), handler) as server:
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        workhorse.url = f"http://127.0.0.1:{server.server_address[1]}"
        workhorse.start()
        try:
            yield workhorse
        finally:
            server.shutdown()
