"""What the doctor looks at in Gitaly: each storage, and whether it reaches this service."""

from collections.abc import Iterator
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from internal_api.doctor import Consultation, Finding, problem, register_check, warning, well
from internal_api.models import InstanceSettings
from internal_api.stored_value_checks import register_models
from repositories.doctor_calls import check_calls
from repositories.lfs.health import find_storage_problems
from repositories.models import (
    DeployKeyGrant,
    ErrorTrackingKey,
    GroupLink,
    GroupSSHCertificate,
    LFSLock,
    LFSObject,
    Member,
    Namespace,
    PendingPush,
    Project,
    ProtectedBranch,
    ProtectedRefGrant,
    ProtectedTag,
    Storage,
    Webhook,
)
from repositories.repository_checks import repositories
from repositories.services.storage_health import storage_health

OVERDUE = timedelta(minutes=5)
"""Workers look every few seconds."""


def _gitaly(consultation: Consultation) -> Iterator[Finding]:
    for storage in Storage.objects.order_by("name"):
        health = storage_health(storage, consultation.seconds)
        name = f"storage {storage.name}"
        if health.problem:
            yield problem(name, f"{health.problem} ({storage.gitaly_address})", health.advice)
        else:
            yield well(name, health.version)


def _pending_pushes(_: Consultation) -> Iterator[Finding]:
    """Pushes whose report is missing are looked at by workers."""
    due = PendingPush.objects.filter(due_at__lte=timezone.now() - OVERDUE)
    oldest = due.order_by("due_at").values_list("created_at", flat=True).first()
    if oldest is None:
        yield well("unreported pushes", f"{PendingPush.objects.count()} pushes are allowed and not reported yet, none is overdue")
        return
    hours = (timezone.now() - oldest).total_seconds() / 3600
    told = f"{due.count()} pushes were not reported and not looked at, the oldest was allowed {hours:.1f} hours ago"
    advice = "Their events are missing until a worker asks Gitaly: start `manage.py db_worker`, and see what its log says of Gitaly."
    yield warning("unreported pushes", told, advice)


def _lfs_storage(_: Consultation) -> Iterator[Finding]:
    """The directory or the bucket of LFS objects, as uploads use it."""
    if not InstanceSettings.current().lfs_enabled:
        yield well("LFS storage", "LFS is switched off")
        return
    problems = list(find_storage_problems())
    for one in problems:
        yield warning("LFS storage", one.text, one.advice) if one.is_warning else problem("LFS storage", one.text, one.advice)
    if not problems:
        where = settings.LFS_STORAGE_PATH if settings.LFS_S3 is None else f"The bucket {settings.LFS_S3.bucket}"
        yield well("LFS storage", f"{where} can be written to, the latest objects are there")


def register() -> None:
    """Make the checks known."""
    register_models(
        Storage,
        Namespace,
        Project,
        Member,
        GroupLink,
        DeployKeyGrant,
        ProtectedBranch,
        ProtectedTag,
        ProtectedRefGrant,
        GroupSSHCertificate,
        ErrorTrackingKey,
        Webhook,
        LFSObject,
        LFSLock,
    )
    register_check("Gitaly", 10, _gitaly)
    register_check("calls from Gitaly", 11, check_calls)
    register_check("repositories", 12, repositories)
    register_check("unreported pushes", 13, _pending_pushes)
    register_check("LFS storage", 14, _lfs_storage)
