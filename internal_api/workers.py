"""Work in the background: who does it, how much waits, and how tasks of workers that died come back.

The queue is `django-tasks` with its database backend: a task joins the transaction of whoever enqueues it. A worker that is
killed leaves its task RUNNING for ever, and one that failed stays FAILED, so every live worker sweeps now and then (`sweeps`). What
is run here may therefore run twice: every task has to be one that does no harm then.
"""

import logging
import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Min
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from internal_api.models import TaskWorker
from internal_api.sweeps import TRIES, dead_before, sweep

logger = logging.getLogger(__name__)
LONG_WAIT = 300
"""Seconds after which a waiting task needs somebody to look."""


@contextmanager
def heartbeat(worker_id: str) -> Iterator[None]:
    """While the block runs, the worker is known as alive, and sweeps."""
    _beat(worker_id)
    sweep()
    stopped = threading.Event()
    thread = threading.Thread(target=_keep_beating, args=(worker_id, stopped), daemon=True)
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


def _keep_beating(worker_id: str, stopped: threading.Event) -> None:
    while not stopped.wait(min(5.0, settings.WORKER_DEAD_AFTER / 4)):
        try:
            _beat(worker_id)
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


def queue_state() -> QueueState:
    """As it is now; `failed` counts those that are not tried again."""
    now = timezone.now()
    tasks = DBTaskResult.objects
    oldest = tasks.ready().aggregate(oldest=Min("enqueued_at"))["oldest"]
    return QueueState(
        workers=TaskWorker.objects.filter(seen_at__gt=dead_before(now)).count(),
        ready=tasks.ready().count(),
        running=tasks.running().count(),
        failed=tasks.failed().filter(**{f"worker_ids__{TRIES - 1}__isnull": False}).count(),
        oldest_seconds=(now - oldest).total_seconds() if oldest else 0.0,
    )
