"""Work in the background: who does it, how much waits, and how tasks of workers that died come back.

The queue is `django-tasks` with its database backend: a task joins the transaction of whoever enqueues it. A worker that is
killed leaves its task RUNNING for ever, and one that failed stays FAILED, so every live worker sweeps now and then (`sweeps`). What
is run here may therefore run twice: every task has to be one that does no harm then.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Count, Min, QuerySet
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from internal_api.models import TaskWorker
from internal_api.sweeps import TRIES, dead_before, sweep

logger = logging.getLogger(__name__)
LONG_WAIT = 300
"""Seconds after which a waiting task needs somebody to look."""


@contextmanager
def heartbeat(worker_id: str, told: Callable[[], None] = lambda: None) -> Iterator[None]:
    """While the block runs, the worker is known as alive, and sweeps. `told` is called whenever the database was told."""
    _beat(worker_id)
    told()
    sweep()
    stopped = threading.Event()
    thread = threading.Thread(target=_keep_beating, args=(worker_id, told, stopped), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()
        try:
            TaskWorker.objects.filter(worker_id=worker_id).delete()
        except (DatabaseError, InterfaceError):
            logger.warning("The database is away; the worker will be forgotten later.")


def _beat(worker_id: str) -> None:
    if not TaskWorker.objects.filter(worker_id=worker_id).update(seen_at=timezone.now()):
        TaskWorker.objects.create(worker_id=worker_id, host=socket.gethostname()[:255], pid=os.getpid())


def _keep_beating(worker_id: str, told: Callable[[], None], stopped: threading.Event) -> None:
    while not stopped.wait(min(5.0, settings.WORKER_DEAD_AFTER / 4)):
        try:
            _beat(worker_id)
            told()
            sweep()
        except (DatabaseError, InterfaceError) as error:
            logger.warning("The worker could not say that it is alive: %s", error)
            connection.close()
    connection.close()


@dataclass(frozen=True, slots=True)
class QueueState:
    """How the background work goes: live workers, tasks by what becomes of them, and how long the oldest has waited, in seconds."""

    workers: int
    ready: int
    running: int
    failed: int
    oldest_seconds: float


MOST_COUNTED = 10_000
"""No more tasks are counted: a queue of a million costs no more than one of these."""


def queue_state() -> QueueState:
    """Return the state as it is now, each number up to MOST_COUNTED; `failed` counts those that are not tried again.

    The oldest task is looked for among the first of the queue, which are the oldest of equal priority.
    """
    now = timezone.now()
    tasks = DBTaskResult.objects
    first_ready = tasks.ready().values("enqueued_at")[:MOST_COUNTED]
    ready = first_ready.aggregate(number=Count("*"), oldest=Min("enqueued_at"))
    return QueueState(
        workers=TaskWorker.objects.filter(seen_at__gt=dead_before(now)).count(),
        ready=ready["number"],
        running=_count(tasks.running()),
        failed=_count(tasks.failed().filter(**{f"worker_ids__{TRIES - 1}__isnull": False})),
        oldest_seconds=(now - ready["oldest"]).total_seconds() if ready["oldest"] else 0.0,
    )


def _count(tasks: "QuerySet[DBTaskResult[..., Any]]") -> int:
    return tasks.order_by().values("pk")[:MOST_COUNTED].count()
