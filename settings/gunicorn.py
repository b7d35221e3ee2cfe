"""gunicorn for this work: many short requests, some that wait for Gitaly, and pushes that come back with further requests."""

import os
from typing import Any

from internal_api.metrics_directory import keep_counts_of, open_directory
from settings.cpu_limit import available_cpus
from settings.draining import drain_before_stop
from settings.environment import Environment

# Each process counts for itself in files of its own; whoever is asked for /metrics adds them up. Set before the application is loaded.
metrics_directory = open_directory()

bind = os.environ.get("BIND", "localhost:3001").split(",")
workers = int(os.environ.get("WEB_CONCURRENCY") or available_cpus())
# Threads wait, for Gitaly or a database that restarts, and cost little; bulkheads and the watcher of
# the database count in shares of them (internal_api/bulkhead.py). What they cost: docs/performance.md.
threads = int(os.environ.get("WEB_THREADS", "8"))
worker_class = "settings.gunicorn_worker.ServiceWorker"  # gthread, with JSON for malformed requests
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: PTH112, S108  a heartbeat must not wait for a disk
http_parser = "python"  # gunicorn_h1c has no wheels for Linux, and is not to be picked up where it is (docs/architecture.md)
timeout = 75  # above the 50 seconds of one decision
graceful_timeout = 60
keepalive = 75
limit_request_line = 8190
limit_request_field_size = 16380
accesslog = None  # the application writes a better line
# gunicorn's own lines (start, reload, stop, malformed requests) in the form of all others.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "json": {"()": "internal_api.logs.JSONFormatter"},
        "text": {"()": "internal_api.logs.LineFormatter"},
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": Environment().text("LOG_FORMAT")}},
    "root": {"level": "INFO", "handlers": ["stderr"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False, "qualname": "gunicorn.error"},
        "gunicorn.access": {"level": "INFO", "handlers": [], "propagate": False, "qualname": "gunicorn.access"},
    },
}
control_socket_disable = True


def on_starting(server: Any) -> None:
    """SIGTERM is told to load balancers first."""
    drain_before_stop(server, Environment().number("DRAIN_SECONDS"))


def child_exit(server: Any, worker: Any) -> None:
    """What a worker counted stays; its gauges go. A failure is logged: raised here, it would end the server."""
    try:
        keep_counts_of(metrics_directory, worker.pid)
    except Exception:
        server.log.exception("What worker %s counted could not be added up", worker.pid)


def when_ready(server: Any) -> None:
    """Say where the service is."""
    # Not what BIND says: sockets that systemd hands over take its place.
    server.log.info("Serving on %s with %s workers", ", ".join(map(str, server.LISTENERS)), workers)
