"""Work in the background: who does it, how much waits, and how tasks of workers that died come back.

The queue is `django-tasks` with its database backend: a task joins the transaction of whoever enqueues it. A worker that is
killed leaves its task RUNNING for ever, and one that failed stays FAILED, so every live worker sweeps now and then. What is
run here may therefore run twice: every task has to be one that does no harm then.
"""

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.models import Min
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from internal_api.backoff import backoff
from internal_api.models import TaskWorker

logger = logging.getLogger(__name__)
TRIES = 10
LONG_WAIT = 300
"""Seconds after which a waiting task needs somebody to look."""

_sweeps: dict[str, Callable[[datetime], int]] = {}


def register_sweep(name: str, sweep: Callable[[datetime], int]) -> None:
    """Make known what puts something back on its way; it gets the time of now and says how many there were."""
    _sweeps[name] = sweep


def sweep() -> dict[str, int]:
    """Run all of them; what was put back, by name."""
    now = timezone.now()
    found = {name: back for name, run in _sweeps.items() if (back := run(now))}
    for name, number in found.items():
        logger.warning("Put back on their way: %s %s", number, name)
    return found


def _dead_before(now: datetime) -> datetime:
    return now - timedelta(seconds=settings.WORKER_DEAD_AFTER)


def _tasks_of_the_dead(now: datetime) -> int:
    """Tasks that no living worker runs are ready again."""
    alive = set(TaskWorker.objects.filter(seen_at__gt=_dead_before(now)).values_list("worker_id", flat=True))
    running = DBTaskResult.objects.running().values_list("pk", "worker_ids", "started_at")
    return sum(_ready_again(pk, TaskResultStatus.RUNNING, started_at) for pk, workers, started_at in running if not alive & {*workers[-1:]})


def _failed_tasks(now: datetime) -> int:
    """Tasks that failed are ready again after a pause, ten times; then somebody has to look at them."""
    failed = DBTaskResult.objects.failed().filter(**{f"worker_ids__{TRIES - 1}__isnull": True}, finished_at__isnull=False)
    return sum(
        _ready_again(pk, TaskResultStatus.FAILED, started_at)
        for pk, workers, started_at, finished_at in failed.values_list("pk", "worker_ids", "started_at", "finished_at")[:1000]
        if finished_at is not None and finished_at + timedelta(seconds=backoff(len(workers))) <= now
    )


def _ready_again(pk: UUID, status: TaskResultStatus, started_at: datetime | None) -> int:
    """Unless somebody else was quicker."""
    task = DBTaskResult.objects.filter(pk=pk, status=status, started_at=started_at)
    return task.update(status=TaskResultStatus.READY, run_after=timezone.now())


def retry_failed() -> int:
    """Let tasks that are not tried again by themselves be tried from the start; how many there were."""
    failed = DBTaskResult.objects.failed()
    return failed.update(status=TaskResultStatus.READY, run_after=timezone.now(), worker_ids=[])


def _forget_the_dead(now: datetime) -> int:
    TaskWorker.objects.filter(seen_at__lte=_dead_before(now)).delete()
    return 0


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
        workers=TaskWorker.objects.filter(seen_at__gt=_dead_before(now)).count(),
        ready=tasks.ready().count(),
        running=tasks.running().count(),
        failed=tasks.failed().filter(**{f"worker_ids__{TRIES - 1}__isnull": False}).count(),
        oldest_seconds=(now - oldest).total_seconds() if oldest else 0.0,
    )


def register() -> None:
    """Make the kernel's own sweeps known."""
    register_sweep("tasks of workers that died", _tasks_of_the_dead)
    register_sweep("tasks that failed", _failed_tasks)
    register_sweep("workers that died", _forget_the_dead)
