"""gunicorn for this work: many short requests, some that wait for Gitaly, and pushes that come back with further requests."""

import os
from typing import Any

bind = os.environ.get("BIND", "localhost:3001").split(",")
workers = int(os.environ.get("WEB_CONCURRENCY", str(os.cpu_count() or 1)))
# Two threads: while a push waits for Gitaly, the requests that Gitaly makes because of it are answered.
threads = 2
worker_class = "gthread"
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108  a heartbeat must not wait for a disk
http_parser = "fast"
timeout = 75  # above the 50 seconds of one decision
graceful_timeout = 60
keepalive = 75
limit_request_line = 8190
limit_request_field_size = 16380
accesslog = None  # the application writes a better line
control_socket_disable = True


def when_ready(server: Any) -> None:
    """Say where the service is."""
    server.log.info("Serving on %s with %s workers", ", ".join(bind), workers)
