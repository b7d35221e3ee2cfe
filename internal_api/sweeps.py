"""Putting back on its way what a worker that died, or a failure, has left lying: sweeps that the apps register."""

import logging
from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult

from internal_api.audit import record_event
from internal_api.backoff import backoff
from internal_api.models import TaskWorker
from internal_api.registrations import load_registrations

logger = logging.getLogger(__name__)
TRIES = 10

_sweeps: dict[str, Callable[[datetime], int]] = {}


def register_sweep(name: str, sweep: Callable[[datetime], int]) -> None:
    """Make known what puts something back on its way; it gets the time of now and says how many there were."""
    _sweeps[name] = sweep


def sweep() -> dict[str, int]:
    """Run all of them; what was put back, by name."""
    load_registrations("sweeps")
    now = timezone.now()
    found = {name: back for name, run in _sweeps.items() if (back := run(now))}
    for name, number in found.items():
        logger.warning("Put back on their way: %s %s", number, name)
    return found


def dead_before(now: datetime) -> datetime:
    """A worker that has not been seen since is dead."""
    return now - timedelta(seconds=settings.WORKER_DEAD_AFTER)


def _tasks_of_the_dead(now: datetime) -> int:
    """Tasks that no living worker runs are ready again."""
    alive = set(TaskWorker.objects.filter(seen_at__gt=dead_before(now)).values_list("worker_id", flat=True))
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
    with transaction.atomic():
        failed = DBTaskResult.objects.failed()
        number = failed.update(status=TaskResultStatus.READY, run_after=timezone.now(), worker_ids=[])
        if number:
            record_event("tasks_retried", entity_type="Task", details={"tasks": number})
    return number


def _forget_the_dead(now: datetime) -> int:
    TaskWorker.objects.filter(seen_at__lte=dead_before(now)).delete()
    return 0


def register() -> None:
    """Make the kernel's own sweeps known."""
    register_sweep("tasks of workers that died", _tasks_of_the_dead)
    register_sweep("tasks that failed", _failed_tasks)
    register_sweep("workers that died", _forget_the_dead)
