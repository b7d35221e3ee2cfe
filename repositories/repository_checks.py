"""`doctor --repositories`: whether each project, and each wiki that was pushed, has its repository at Gitaly (decisions 16d)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

from internal_api.doctor import Consultation, Finding, problem, warning, well
from repositories.models import Project, Storage
from repositories.policy import RepositoryType
from repositories.policy.repository_path import container_path
from repositories.services.repository_creation import BATCH, in_batches, listed, storage_problem, wiki_was_made

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
            for states in pool.map(lambda one: list(_states(one, consultation.seconds)), batch):
                for state, text in states:
                    differing[state].append(text)
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


def _states(project: Project, seconds: float) -> Iterator[tuple[str, str]]:
    """Return how the repositories differ from what the project says, and what to print of each that does."""
    from repositories.gitaly.errors import GitalyError  # noqa: PLC0415  gRPC is loaded by those who need it
    from repositories.services.repositories_at_gitaly import client_of, repository_of  # noqa: PLC0415  likewise

    expected = {RepositoryType.PROJECT: project.repository_exists}
    if wiki_was_made(project):  # another one is made by its first push
        expected[RepositoryType.WIKI] = True
    for repository_type, is_expected in expected.items():
        path = container_path(project.route.path, repository_type)
        try:
            exists = client_of(project).repository_exists(repository_of(project, repository_type), seconds=seconds)
        except GitalyError as error:
            yield "unanswered", f"{path} ({error})"
        else:
            if exists != is_expected:
                yield ("unexpected" if exists else "missing"), path
