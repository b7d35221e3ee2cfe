"""Measuring what projects' repositories take at Gitaly, after pushes, at most once a minute a project (contract: decisions 10b)."""

import logging
import time
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone
from django_tasks import task

from internal_api.task_context import passed_on
from repositories.models import Project
from repositories.policy import RepositoryType

logger = logging.getLogger(__name__)
INTERVAL = timedelta(minutes=1)
PATIENCE = timedelta(minutes=5)
"""How long a measurement that failed, or whose task was lost, waits for the next attempt."""
SECONDS = 10.0
LAST = -10
"""Priority below deliveries: nobody waits for a size."""
slow_until: dict[str, float] = {}
"""Gitalys that were too slow, by address: a worker does not wait for them again within the interval."""


@transaction.atomic
def size_may_have_changed(project_id: int) -> None:
    """Have a project measured now, or, if that was done less than a minute ago, when the minute is over; once."""
    now = timezone.now()
    is_due = Q(size_measured_at=None) | Q(size_measured_at__lte=now - INTERVAL)
    if Project.objects.filter(is_due, pk=project_id).update(size_measured_at=now, size_is_due=True):
        measure_size.enqueue(project_id, **passed_on())
    elif Project.objects.filter(pk=project_id, size_is_due=False).update(size_is_due=True):
        measured_at = Project.objects.values_list("size_measured_at", flat=True).get(pk=project_id)
        measure_size.using(run_after=(measured_at or now) + INTERVAL).enqueue(project_id, **passed_on())


@task(priority=LAST)
def measure_size(project_id: int, request_id: str = "", traceparent: str = "") -> None:
    """Measure a project, unless that was done meanwhile."""
    if Project.objects.filter(pk=project_id, size_is_due=True).update(size_measured_at=timezone.now()):
        measure(project_id)


def measure(project_id: int) -> bool:
    """Ask Gitaly for the sizes of a project's repository and wiki, and keep their sum; whether it answered.

    The row is saved with its signals, so what a storage limit makes of the size follows by itself.
    """
    project = Project.objects.select_related("storage", "route").filter(pk=project_id).first()
    if project is None or slow_until.get(project.storage.gitaly_address, 0.0) > time.monotonic():
        return False
    size = _measured(project)
    if size is None:
        return False
    project.storage_size, project.size_is_due = size, False
    project.save(update_fields=["storage_size", "size_is_due"])
    return True


def _measured(project: Project) -> int | None:
    """Return the bytes of the repositories that exist, or None while Gitaly does not tell."""
    from repositories.gitaly.errors import GitalyError, GitalyTooSlowError, RepositoryNotFoundError  # noqa: PLC0415  loads gRPC
    from repositories.services.repositories_at_gitaly import client_of, repository_of  # noqa: PLC0415  likewise

    client, size = client_of(project), 0
    for repository_type in (RepositoryType.PROJECT, RepositoryType.WIKI):
        try:
            size += client.repository_size(repository_of(project, repository_type), seconds=SECONDS)
        except RepositoryNotFoundError:
            continue
        except GitalyError as error:
            logger.warning("The size of project-%s could not be measured: %s", project.pk, error)
            if isinstance(error, GitalyTooSlowError):
                slow_until[project.storage.gitaly_address] = time.monotonic() + INTERVAL.total_seconds()
            return None
    return size


def measure_overdue(now: datetime) -> int:
    """Measure projects whose measurement failed or was lost, some at a time; how many were measured."""
    overdue = Project.objects.filter(size_is_due=True, size_measured_at__lte=now - PATIENCE)
    waiting = list(overdue.order_by(F("size_measured_at")).values_list("pk", "size_measured_at")[:20])
    claimed = [
        pk for pk, measured_at in waiting if Project.objects.filter(pk=pk, size_measured_at=measured_at).update(size_measured_at=now)
    ]
    return sum(measure(pk) for pk in claimed)
