"""What the doctor looks at in Gitaly: each storage, and whether it reaches this service."""

from collections.abc import Iterator

from internal_api.doctor import Consultation, Finding, problem, register_check, well
from repositories.doctor_calls import check_calls
from repositories.models import Storage
from repositories.repository_checks import repositories
from repositories.services.storage_health import storage_health


def _gitaly(consultation: Consultation) -> Iterator[Finding]:
    for storage in Storage.objects.order_by("name"):
        health = storage_health(storage, consultation.seconds)
        name = f"storage {storage.name}"
        if health.problem:
            yield problem(name, f"{health.problem} ({storage.gitaly_address})", health.advice)
        else:
            yield well(name, health.version)


def register() -> None:
    """Make the checks known."""
    register_check("Gitaly", 10, _gitaly)
    register_check("calls from Gitaly", 11, check_calls)
    register_check("repositories", 12, repositories)
