"""A receiver of webhooks on a loopback port: it keeps what it gets and answers as it is told."""

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    raw: bytes

    @property
    def body(self) -> Any:
        return json.loads(self.raw)


@dataclass
class Receiver:
    """`answers` are statuses for the next requests; then 200. `before` is called with each request first."""

    answers: list[int] = field(default_factory=list)
    received: list[Received] = field(default_factory=list)
    before: Callable[[Received], None] = lambda received: None
    headers: dict[str, str] = field(default_factory=dict)
    text: str = "thank you"
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?x=1"

    def refs(self) -> list[str]:
        return [received.body.get("ref", "") for received in self.received]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that runs as long as the block."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers["Content-Length"]))
            received = Received(self.path, dict(self.headers.items()), raw)
            receiver.before(received)
            receiver.received.append(received)
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            for name, value in receiver.headers.items():
                self.send_header(name, value)
            with suppress(OSError):  # whoever asked may have left
                self.end_headers()
                self.wfile.write(receiver.text.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
            """Nothing on standard error."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    receiver.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def answering(answer: bytes) -> Iterator[str]:
    """A receiver that reads each request and answers with these bytes, whatever they are; its URL."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                with connection, suppress(OSError):
                    _read_request(connection)
                    connection.sendall(answer)
                    connection.shutdown(socket.SHUT_WR)
                    connection.recv(1)  # until the other side has read it and closed

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/hook"
    finally:
        with suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def _read_request(connection: socket.socket) -> None:
    with connection.makefile("rb") as request:
        length = 0
        while (line := request.readline()).strip():
            name, _, value = line.partition(b":")
            length = int(value) if name.lower() == b"content-length" else length
        request.read(length)


def slowly(seconds: float) -> Callable[[Received], None]:
    """For `before`: take so long over each request."""
    return lambda received: time.sleep(seconds)
