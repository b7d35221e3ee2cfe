"""`doctor --repositories`: whether each project has its repository at Gitaly, and whether its row says so (decisions 16d)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from internal_api.doctor import Consultation, Finding, problem, warning, well
from repositories.models import Project, Storage
from repositories.services.repository_creation import BATCH, in_batches, listed, storage_problem

_AT_ONCE = 8
_NO_LISTING = "Gitaly has no call that lists repositories, so one that no project has is not found here."


def repositories(consultation: Consultation) -> Iterator[Finding]:
    """Look at every project of each storage that answers, in batches."""
    if not consultation.repositories:
        return
    for storage in Storage.objects.order_by("name"):
        name = f"repositories of storage {storage.name}"
        trouble = storage_problem(storage)
        if trouble:
            yield problem(name, f"cannot be looked at: {trouble}", "Look at the finding about the storage first.")
        else:
            yield from _of_storage(storage, name, consultation)


def _of_storage(storage: Storage, name: str, consultation: Consultation) -> Iterator[Finding]:
    differing: dict[str, list[str]] = {"missing": [], "unexpected": [], "unanswered": []}
    projects = Project.objects.filter(storage=storage)
    done, total, waiting = 0, projects.count(), in_batches(projects)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        while batch := list(islice(waiting, BATCH)):
            for state in pool.map(lambda one: _state(one, consultation.seconds), batch):
                if state is not None:
                    differing[state[0]].append(state[1])
            done += len(batch)
            consultation.progress(f"{name}: {done} of {total}")
    findings = list(_findings(name, **differing))
    yield from findings or [well(name, f"all {total} are as their projects say. {_NO_LISTING}")]


def _findings(name: str, missing: list[str], unexpected: list[str], unanswered: list[str]) -> Iterator[Finding]:
    if missing:
        yield problem(name, f"missing at Gitaly: {listed(missing)}", "Create them: python manage.py create_repositories")
    if unexpected:
        advice = "Let their projects know: python manage.py create_repositories --project PATH"
        yield warning(name, f"there, although the projects say that they are not: {listed(unexpected)}", advice)
    if unanswered:
        yield problem(name, f"no answer about {listed(unanswered)}", "Look at Gitaly's log, then run this again.")


def _state(project: Project, seconds: float) -> tuple[str, str] | None:
    """Return how the repository differs from what the project says, and what to print; None where it does not."""
    from repositories.gitaly.errors import GitalyError  # noqa: PLC0415  gRPC is loaded by those who need it
    from repositories.services.repositories_at_gitaly import client_of, repository_of  # noqa: PLC0415  likewise

    path = project.route.path
    try:
        exists = client_of(project).repository_exists(repository_of(project), seconds=seconds)
    except GitalyError as error:
        return "unanswered", f"{path} ({error})"
    if exists == project.repository_exists:
        return None
    return ("unexpected" if exists else "missing"), path
