"""The HTTP port on which a worker tells Prometheus what its processes have counted (WORKER_METRICS_PORT).

The socket is opened once, before processes are forked, and each of them serves it by a thread: whichever takes a connection
answers for all, from the directory in which they count.
"""

import logging
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from django.conf import settings
from prometheus_client import CONTENT_TYPE_LATEST

from internal_api.metrics import counted
from internal_api.peers import is_within

logger = logging.getLogger(__name__)


def listen() -> socket.socket | None:
    """Return the socket that the settings name, open; None where they name none. Raises OSError."""
    if not settings.WORKER_METRICS_PORT:
        return None
    host = settings.WORKER_METRICS_HOST
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    opened = socket.create_server((host, settings.WORKER_METRICS_PORT), family=family)
    opened.setblocking(False)  # another process may have taken the connection that woke this one
    return opened


def serve(opened: socket.socket) -> None:
    """Answer on the socket in the background, for as long as this process lives."""
    threading.Thread(target=_Server(opened).serve_forever, name="metrics", daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    timeout = 10
    """Seconds to wait for a request."""

    def do_GET(self) -> None:
        is_found = self.path.partition("?")[0] == "/metrics"
        body = counted() if is_found else b"The page is /metrics.\n"
        self.send_response(200 if is_found else 404)
        self.send_header("Content-Type", CONTENT_TYPE_LATEST if is_found else "text/plain")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def version_string(self) -> str:
        """Return what the Server header says: not which Python this is."""
        return "metrics"

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the name that http.server gives it
        """Log nothing: Prometheus asks all the time."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, opened: socket.socket) -> None:
        super().__init__(opened.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = opened

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Return whether the client may read metrics, by its address. Others are not even listened to."""
        return is_within(client_address[0], settings.MONITORING_ALLOWLIST)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log what failed, unless the client went away: on standard error it would not be JSON."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            logger.error("The metrics could not be told", exc_info=error)
