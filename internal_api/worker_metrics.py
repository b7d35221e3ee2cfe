"""What workers count and measure, for a port of their own (internal_api/worker_metrics_port.py).

Each series has a label, so that a process which only imports this module, such as the service's, tells nothing of it.
"""

import logging
import os
from pathlib import Path
from typing import Any

from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult, get_date_max
from prometheus_client import Counter, Gauge, Histogram

from internal_api.metrics import OURS, SECONDS
from internal_api.metrics_directory import VARIABLE, keep_counts_of

logger = logging.getLogger(__name__)
_WAITS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 300.0, 3600.0)

tasks = Histogram("internal_api_task_duration_seconds", "How long tasks took", ("task", "outcome"), buckets=SECONDS, registry=OURS)
waits = Histogram(
    "internal_api_task_wait_seconds", "How long tasks were ready before a worker took them", ("task",), buckets=_WAITS, registry=OURS
)
attempts = Histogram(
    "internal_api_webhook_attempt_duration_seconds", "How long attempts at deliveries took", ("outcome",), buckets=SECONDS, registry=OURS
)
last_seen = Gauge(
    "internal_api_worker_last_seen_timestamp_seconds",
    "When each process of the worker last told the database that it is alive",
    ("process",),
    registry=OURS,
    multiprocess_mode="livemax",
)
restarts = Counter(
    "internal_api_worker_restarts", "Processes of the worker that ended without being told, by how", ("ended_by",), registry=OURS
)


def observe_task(task: "DBTaskResult[..., Any]", seconds: float) -> None:
    """Count a task that has succeeded or failed in so many seconds, and how long it was ready before."""
    name = task.task_path.rpartition(".")[2]
    outcome = "succeeded" if task.status == TaskResultStatus.SUCCESSFUL else "failed"
    tasks.labels(name, outcome).observe(seconds)
    ready = task.enqueued_at
    if task.run_after is not None and task.run_after != get_date_max():
        ready = max(ready, task.run_after)
    if task.started_at is not None:
        waits.labels(name).observe(max(0.0, (task.started_at - ready).total_seconds()))


def observe_attempt(seconds: float, *, is_delivered: bool) -> None:
    """Count an attempt at a delivery."""
    attempts.labels("delivered" if is_delivered else "failed").observe(seconds)


def note_life(process: int) -> None:
    """Note that the process at this position of the worker has told the database that it is alive."""
    last_seen.labels(str(process)).set_to_current_time()


def note_end(pid: int, code: int, is_told: bool) -> None:
    """Count the end of a process of the worker, unless it was told to end, and keep what it has counted.

    A failure is logged: raised, it would end the process that starts the others.
    """
    if not is_told:
        restarts.labels("signal" if code < 0 else "status").inc()
    directory = os.environ.get(VARIABLE)
    if not directory:
        return
    try:
        keep_counts_of(Path(directory), pid)
    except Exception:
        logger.exception("What worker process %s counted could not be added up", pid)
