"""The gunicorn worker: threads, and JSON for what gunicorn answers itself."""

import errno
import json
import select
import selectors
import threading
import time
from functools import partial
from http import HTTPStatus
from typing import Any

from gunicorn import util
from gunicorn.http import errors
from gunicorn.workers.gthread import ThreadWorker

from internal_api.draining import is_draining
from settings.after_answers import MOST_READ, AfterAnswers
from settings.request_bodies import body_is_ready, is_in_body, no_more
from settings.request_heads import HeadTooLargeError, has_begun, head_is_ready, keep_waiting

# What has a status of its own; every other request that cannot be parsed is 400.
_STATUSES: dict[type[Exception], HTTPStatus] = {
    errors.LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    errors.LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    errors.ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
    errors.ForbiddenProxyRequest: HTTPStatus.FORBIDDEN,
}
MALFORMED = "malformed"
"""The endpoint under which the metrics count requests that never reach Django."""


def status_of(error: Exception) -> HTTPStatus:
    """The status of a request that gunicorn cannot serve: 4xx for what the client sent, 500 for a fault here."""
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status
    is_clients = isinstance(error, errors.ParseException)
    return HTTPStatus.BAD_REQUEST if is_clients else HTTPStatus.INTERNAL_SERVER_ERROR


BY_WORKHORSE = "GITLAB-WORKHORSE"
"""A header that GitLab Workhorse puts on every request that it passes on."""

SEND_SECONDS = 20.0
SEND_RATE = 10 * 1024
"""What a client has to take of an answer: so many bytes a second, after so many seconds."""


class HoldingSocket:
    """A connection's socket during one request; the application may have the answer held back, which then waits without a thread."""

    def __init__(self, sock: Any) -> None:
        self.sock = sock
        self.seconds = 0.0
        self.held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.sock, name)

    def hold(self, seconds: float) -> None:
        """Let what is sent from now on wait for so many seconds; for answers that are small and whole."""
        self.seconds = seconds

    def sendall(self, data: bytes) -> None:
        if self.seconds > 0:
            self.held.append(bytes(data))
        else:
            self._send(data)

    def _send(self, data: bytes) -> None:
        """Send within a bounded time: a client that asks and never reads holds no thread without end."""
        before = self.sock.gettimeout()
        self.sock.settimeout(SEND_SECONDS + len(data) / SEND_RATE)
        try:
            self.sock.sendall(data)
        except TimeoutError as error:
            raise BrokenPipeError(errno.EPIPE, "The client does not take its answer.") from error
        finally:
            self.sock.settimeout(before)


class ServiceWorker(ThreadWorker):  # type: ignore[misc]  # gunicorn has no types
    """Answers malformed requests in JSON, logs them in one line and counts them (contract: decisions 4). Ends without losing one.

    What is left to do after an answer holds neither the thread that accepts connections nor one that answers requests.
    """

    def init_process(self) -> None:
        self.after_answers = AfterAnswers()
        self.here = threading.local()
        self.pending_looked_at = 0.0
        super().init_process()

    def run(self) -> None:
        super().run()
        self.after_answers.finish()

    def handle(self, conn: Any) -> Any:
        """Remember whose request this thread has."""
        self.here.conn = conn
        return super().handle(conn)

    def enqueue_req(self, conn: Any) -> None:
        """Give a connection to a thread once its request is there, or all of it but a large body; until then no thread waits for it."""
        try:
            is_ready = self.cfg.is_ssl or head_is_ready(conn, self.cfg.limit_request_line)
            if is_ready and (self.cfg.is_ssl or body_is_ready(conn)):
                self._give_to_thread(conn)
                return
            is_awaited = is_ready or keep_waiting(conn, self.cfg.keepalive)
        except HeadTooLargeError:
            self.handle_error(None, conn.sock, conn.client, errors.LimitRequestHeaders("The head is too large."))
            is_awaited = False
        if is_awaited:
            self.pending_conns.append(conn)
            self.poller.register(conn.sock, selectors.EVENT_READ, partial(self.on_pending_socket_readable, conn))
        else:
            self._give_up(conn)

    def _give_to_thread(self, conn: Any) -> None:
        conn.data_ready, conn.head_until, conn.body = True, None, None
        super().enqueue_req(conn)

    def murder_pending(self) -> None:
        """Close the connections whose head does not come; of a worker that ends, also those that have said nothing yet.

        Where the body does not come, the request is answered as one whose body has ended.
        """
        now = time.monotonic()
        if now < self.pending_looked_at + 0.5:
            return
        self.pending_looked_at = now
        self.make_room()
        for conn in list(self.pending_conns):
            if conn.timeout <= now or not (self.alive or has_begun(conn)):
                self.pending_conns.remove(conn)
                self.poller.unregister(conn.sock)
                if is_in_body(conn):
                    no_more(conn)
                    self._give_to_thread(conn)
                else:
                    self._give_up(conn)

    def make_room(self) -> None:
        """While three quarters of the connections are taken, end those that have waited longest: for a request, then idle ones."""
        excess = self.nr_conns - self.worker_connections * 3 // 4
        for waiting in (self.pending_conns, self.keepalived_conns):
            for _ in range(min(excess, len(waiting))):
                conn = waiting.popleft()
                self.poller.unregister(conn.sock)
                self.nr_conns -= 1
                excess -= 1
                util.close(conn.sock)  # at once: what lingers would take its place among the open files

    def _give_up(self, conn: Any) -> None:
        self.nr_conns -= 1
        conn.close = partial(self._close, conn)
        conn.close(graceful=True)

    def finish_request(self, conn: Any, fs: Any) -> None:
        """In the thread that accepts connections: see a held answer off first, and close without waiting for the client."""
        seconds, data = getattr(conn, "held", (0.0, b""))
        if data:
            conn.held = (0.0, b"")
            self.after_answers.later(seconds, partial(self._answer, conn, data, fs))
            return
        conn.close = partial(self._close, conn)
        super().finish_request(conn, fs)

    def _answer(self, conn: Any, data: bytes, fs: Any) -> None:
        """Send a held answer, in the thread of what comes after; a client that does not take it loses it."""
        try:
            conn.sock.setblocking(False)
            conn.sock.sendall(data)
        except OSError:
            self.log.debug("The client of a held answer has gone.")
        self.method_queue.defer(self.finish_request, conn, fs)

    def _close(self, conn: Any, *, graceful: bool = False) -> None:
        if graceful:
            self.after_answers.close(conn.sock)
        else:
            util.close(conn.sock)

    @property
    def max_keepalived(self) -> int:
        """How many connections may be kept: none while the node drains, so that each answer is the last one on its connection."""
        return 0 if is_draining() else self._max_keepalived

    @max_keepalived.setter
    def max_keepalived(self, number: int) -> None:
        self._max_keepalived = number

    def set_accept_enabled(self, enabled: bool) -> None:
        """As gthread's. When the worker ends, it takes the connections that wait, and lets no more come: they would be reset."""
        is_last = not enabled and not self.alive
        if is_last:
            self._accept_those_that_wait()
        super().set_accept_enabled(enabled)
        if is_last:
            for listener in self.sockets:
                listener.close()

    def _accept_those_that_wait(self) -> None:
        """The kernel has accepted them already; their clients may have sent their requests."""
        for listener in self.sockets:
            listener.setblocking(False)
            while self.nr_conns < self.worker_connections and select.select([listener], [], [], 0)[0]:
                self.accept(listener)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Serve a request, with a socket that can hold the answer back.

        Workhorse keeps the first status that it reads, and would make 200 of every refusal that comes after `100 Continue`
        (contract: git-http C2): what it passes on is never told to continue, and its clients send their body after a moment.
        A body that is compressed before it is chunked is refused: gunicorn would pass it on, and nobody here reads it.
        """
        for name, value in req.headers:
            if name == BY_WORKHORSE:
                req._expected_100_continue = False  # noqa: SLF001  gunicorn has no other switch
            elif name == "TRANSFER-ENCODING" and value.strip(" \t").lower() != "chunked":
                raise errors.UnsupportedTransferCoding(value)
        if getattr(conn, "is_told_to_continue", False):
            conn.is_told_to_continue = req._expected_100_continue = False  # noqa: SLF001  likewise
        plain = conn.sock
        holding = conn.sock = HoldingSocket(plain)
        try:
            return super().handle_request(req, conn)
        finally:
            conn.sock, conn.held = plain, (holding.seconds, b"".join(holding.held))

    def _keepalive_after(self, conn: Any, keepalive: bool) -> bool:
        """As gthread's, without waiting for what an application has left of a body: what is not there yet ends the connection."""
        if not keepalive:
            return False
        conn.sock.setblocking(False)
        try:
            return bool(conn.parser.finish_body(max_bytes=MOST_READ))
        except Exception:  # noqa: BLE001  nothing there, or a bad chunk: the answer has been given, and is the last one
            return False

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer a request that gunicorn could not parse, or whose application failed outright."""
        from internal_api.metrics import observe_request  # noqa: PLC0415  the application is loaded by then
        from internal_api.pacing import seconds_of_stranger  # noqa: PLC0415  likewise

        status = status_of(exc)
        peer = addr[0] if isinstance(addr, tuple) and addr else ""
        if status is HTTPStatus.INTERNAL_SERVER_ERROR:
            self.log.error("A request failed outside the application: %s", type(exc).__name__, exc_info=exc)
        else:
            self.log.warning("A malformed request from %s: %s", peer or "a unix socket", type(exc).__name__)
        observe_request(MALFORMED, "", int(status), 0.0, 0)
        body = json.dumps({"message": f"{int(status)} {status.phrase}"})
        answer = (
            f"HTTP/1.1 {int(status)} {status.phrase}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        )
        conn = getattr(self.here, "conn", None)
        seconds = seconds_of_stranger()
        if conn is not None and seconds > 0:
            conn.held = (seconds, answer.encode("latin-1"))
            return
        try:
            util.write_nonblock(client, answer.encode("latin-1"))
        except OSError:
            self.log.debug("The client of a malformed request has gone.")
