"""Removing what has expired: jobs that the apps register, run by `manage.py clean_up` whenever one likes.

Every job removes in batches, each a transaction of its own, so that it never holds up a push; running two at a time does no harm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from internal_api.audit import record_event
from internal_api.models import AuditEvent, RefusedPeer, SharedValue
from internal_api.registrations import load_registrations

BATCH = 1000
REFUSED_PEERS_DAYS = 30


@dataclass(frozen=True, slots=True)
class CleanUpJob:
    """What is removed, and a function that removes it and says how many there were."""

    name: str
    run: Callable[[datetime], int]


_jobs: dict[str, CleanUpJob] = {}


def register_clean_up(name: str, run: Callable[[datetime], int]) -> None:
    """Make a job known; `run` gets the time of now."""
    _jobs[name] = CleanUpJob(name, run)


def clean_up() -> dict[str, int]:
    """Run all jobs; how many rows each has removed."""
    load_registrations("clean_up")
    now = timezone.now()
    removed = {job.name: job.run(now) for job in sorted(_jobs.values(), key=lambda job: job.name)}
    if any(removed.values()):
        record_event("expired_rows_removed", details={name: number for name, number in removed.items() if number})
    return removed


def delete_in_batches(rows: QuerySet[Model], batch: int = BATCH) -> int:
    """Delete rows a batch at a time; how many there were."""
    removed = 0
    while True:
        with transaction.atomic():
            found = list(rows.order_by("pk").values_list("pk", flat=True)[:batch])
            if found:
                rows.model._default_manager.filter(pk__in=found).delete()  # noqa: SLF001  the model's manager
        removed += len(found)
        if len(found) < batch:
            return removed


def older_than(rows: QuerySet[Model], now: datetime, days: int) -> int:
    """Delete rows by their `created_at`; 0 days keeps them for ever."""
    return delete_in_batches(rows.filter(created_at__lte=now - timedelta(days=days))) if days else 0


def _expired_values(now: datetime) -> int:
    return delete_in_batches(SharedValue.objects.filter(expires_at__lte=now))


def _expired_sessions(now: datetime) -> int:
    return delete_in_batches(Session.objects.filter(expire_date__lte=now))


def _old_audit_events(now: datetime) -> int:
    return older_than(AuditEvent.objects.all(), now, settings.AUDIT_EVENT_RETENTION_DAYS)


def _old_refused_peers(now: datetime) -> int:
    return delete_in_batches(RefusedPeer.objects.filter(day__lt=now.date() - timedelta(days=REFUSED_PEERS_DAYS)))


def _old_task_results(now: datetime) -> int:
    days = settings.TASK_RESULT_RETENTION_DAYS
    return delete_in_batches(DBTaskResult.objects.filter(finished_at__lte=now - timedelta(days=days))) if days else 0


def register() -> None:
    """Make the kernel's own jobs known."""
    register_clean_up("shared values", _expired_values)
    register_clean_up("sessions", _expired_sessions)
    register_clean_up("audit events", _old_audit_events)
    register_clean_up("refused peers", _old_refused_peers)
    register_clean_up("task results", _old_task_results)
