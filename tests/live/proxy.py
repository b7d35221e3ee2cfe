"""A proxy on loopback before the service: it keeps what was asked, and can lose or spoil it.

`swallow("post_receive")` is Gitaly's push report that never arrives.
"""

import http.client
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.recordings.exchanges import Shape, shape

PREFIX = "/api/v4/internal/"
HOP_BY_HOP = {"connection", "content-length", "transfer-encoding"}


@dataclass(frozen=True)
class Exchange:
    """A request as it arrived, and the status that was answered (0: none)."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    status: int

    @property
    def endpoint(self) -> str:
        """The part of the path after /api/v4/internal/, without the query."""
        return self.path.partition("?")[0].removeprefix(PREFIX)

    def header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name.lower()), "")

    @property
    def shape(self) -> Shape:
        return shape(self.method, self.path, self.headers, self.body.decode())

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Fault:
    """What happens to the requests of an endpoint: so many times, or until it is lifted."""

    endpoint: str
    status: int = 0
    retry_after: str = ""
    reaches_service: bool = False
    agent: str = ""
    times: int | None = None
    message: str = "The database is not available. Try again in a moment."

    def matches(self, endpoint: str, agent: str) -> bool:
        return endpoint == self.endpoint and agent.startswith(self.agent)


@dataclass
class Proxy:
    """Passes on to the service at a port; `url` is where to ask."""

    port: int
    url: str = ""
    exchanges: list[Exchange] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def swallow(self, endpoint: str, times: int | None = None, agent: str = "") -> Fault:
        """Cut the connection of requests to an endpoint; the service never sees them."""
        return self._add(Fault(endpoint, times=times, agent=agent))

    def lose_answers(self, endpoint: str, times: int | None = None) -> Fault:
        """Let the service answer and cut the connection before the client sees it."""
        return self._add(Fault(endpoint, reaches_service=True, times=times))

    def answer(
        self,
        endpoint: str,
        status: int,
        *,
        retry_after: str = "",
        times: int | None = None,
        agent: str = "",
    ) -> Fault:
        """Answer with an error of our own; the service never sees the request."""
        return self._add(Fault(endpoint, status, retry_after, times=times, agent=agent))

    def lift(self) -> None:
        """Pass everything on again."""
        with self._lock:
            self.faults.clear()

    def sent(self, endpoint: str) -> list[Exchange]:
        """What was asked of an endpoint, in order."""
        with self._lock:
            return [exchange for exchange in self.exchanges if exchange.endpoint == endpoint]

    def keep(self, exchange: Exchange) -> None:
        with self._lock:
            self.exchanges.append(exchange)

    def fault_for(self, endpoint: str, agent: str) -> Fault | None:
        """The fault that meets this request; one with a number of times is used up."""
        with self._lock:
            found = next((one for one in self.faults if one.matches(endpoint, agent)), None)
            if found is not None and found.times is not None:
                found.times -= 1
                if found.times == 0:
                    self.faults.remove(found)
            return found

    def _add(self, fault: Fault) -> Fault:
        with self._lock:
            self.faults.append(fault)
        return fault


@dataclass(frozen=True)
class _Reply:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def _forward(proxy: Proxy, asked: Exchange) -> _Reply | None:
    """Return what the service answers, or None when it went away."""
    with closing(http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=300)) as connection:
        try:
            connection.putrequest(asked.method, asked.path, skip_host=True, skip_accept_encoding=True)
            for name, value in asked.headers:
                connection.putheader(name, value)
            connection.endheaders(asked.body or None)
            response = connection.getresponse()
            return _Reply(response.status, tuple(response.getheaders()), response.read())
        except (OSError, http.client.HTTPException):
            return None


def _reply(proxy: Proxy, asked: Exchange) -> _Reply | None:
    """Return what the client is to see, or None when its connection is cut."""
    fault = proxy.fault_for(asked.endpoint, asked.header("User-Agent"))
    if fault is None:
        return _forward(proxy, asked)
    if fault.reaches_service:
        _forward(proxy, asked)
    if not fault.status:
        return None
    headers = (("Content-Type", "application/json"), ("Retry-After", fault.retry_after))
    return _Reply(fault.status, headers, json.dumps({"message": fault.message}).encode())


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            asked = Exchange(self.command, self.path, tuple(self.headers.items()), body, 0)
            reply = _reply(proxy, asked)
            proxy.keep(replace(asked, status=reply.status if reply else 0))
            self.close_connection = True
            if reply:
                self.send(reply)

        def send(self, reply: _Reply) -> None:
            self.send_response_only(reply.status)
            for name, value in reply.headers:
                if value and name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(reply.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = pass_on  # noqa: N815  the parent's names

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
            """Say nothing: the exchanges are kept."""

    return Handler


@contextmanager
def running_proxy(port: int) -> Iterator[Proxy]:
    """A proxy before the service at a port for as long as the block runs."""
    proxy = Proxy(port)
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(proxy)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
        try:
            yield proxy
        finally:
            server.shutdown()
