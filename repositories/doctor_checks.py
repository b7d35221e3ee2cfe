"""What the doctor looks at in Gitaly: each storage, and whether pushes are reported."""

from collections.abc import Iterator

from django.utils import timezone

from internal_api.doctor import Consultation, Finding, problem, register_check, warning, well
from repositories.models import PushEvent, Storage
from repositories.services.storage_health import storage_health


def _gitaly(consultation: Consultation) -> Iterator[Finding]:
    for storage in Storage.objects.order_by("name"):
        health = storage_health(storage, consultation.seconds)
        name = f"storage {storage.name}"
        if health.problem:
            yield problem(name, f"{health.problem} ({storage.gitaly_address})", health.advice)
        else:
            yield well(name, health.version)


def _pushes(_: Consultation) -> Iterator[Finding]:
    """Gitaly cannot be asked to call back; that it has done so lately shows that it can."""
    advice = (
        "If pushes end with `Internal API unreachable`, run `gitaly check CONFIG` where Gitaly runs: it asks this service as its hooks do."
    )
    latest = PushEvent.objects.order_by("-pk").values_list("created_at", flat=True).first()
    if latest is None:
        yield warning("calls from Gitaly", "no push was ever reported", advice)
    else:
        hours = (timezone.now() - latest).total_seconds() / 3600
        yield well("calls from Gitaly", f"the last push was reported {hours:.1f} hours ago")


def register() -> None:
    """Make the checks known."""
    register_check("Gitaly", 10, _gitaly)
    register_check("calls from Gitaly", 11, _pushes)
