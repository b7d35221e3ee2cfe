"""Making the missing repositories of many projects, with word of those that could not be made or looked at (contract: decisions 16d)."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Exists, OuterRef, QuerySet

from internal_api.errors import UnavailableError
from repositories.models import Project, PushEvent, Storage
from repositories.policy import RepositoryType
from repositories.services.storage_health import storage_health

SECONDS = 3.0
"""How long each storage is waited for, once."""
BATCH = 500
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class NotMade:
    """A project whose repositories could not be made, and why; unless `was_looked_at`, they may be there."""

    path: str
    problem: str
    was_looked_at: bool = True


def provide_repositories(
    projects: QuerySet[Project],
    *,
    wikis: bool = False,
    adopt: Mapping[int, bool] | None = None,
    made: Callable[[bool], None] = lambda _was_missing: None,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[NotMade]:
    """Make what is missing of the projects' repositories; those that could not be made or looked at.

    A wiki's is made where a push to it was recorded, so that there was one, and with `wikis` in any case.
    `made` is told of each whether it was missing. A storage that does not answer is not asked again for its other projects.
    """
    problems: dict[int, str] = {}
    missing: list[NotMade] = []
    total = projects.count()
    for done, project in enumerate(in_batches(projects), 1):
        storage = project.storage
        if storage.pk not in problems:
            problems[storage.pk] = storage_problem(storage)
        problem = problems[storage.pk]
        if problem:
            missing.append(NotMade(project.route.path, problem, was_looked_at=False))
        else:
            try:
                _provide(project, wikis=wikis, adopt=bool(adopt and adopt.get(project.pk)), made=made)
            except UnavailableError as error:
                missing.append(NotMade(project.route.path, str(error)))
        if done % BATCH == 0 or done == total > BATCH:
            progress(done, total)
    return missing


def in_batches(projects: QuerySet[Project]) -> Iterator[Project]:
    """Return projects with their storages and routes, read some at a time, since each is followed by calls to Gitaly."""
    after = 0
    of_wiki = PushEvent.objects.filter(project=OuterRef("pk"), gl_repository__startswith=f"{RepositoryType.WIKI}-")
    projects = projects.annotate(wiki_was_pushed=Exists(of_wiki))
    while batch := list(projects.filter(pk__gt=after).select_related("storage", "route").order_by("pk")[:BATCH]):
        yield from batch
        after = batch[-1].pk


def wiki_was_made(project: Project) -> bool:
    """Return whether one of `in_batches` has a wiki with a recorded push; `wiki_exists` alone is a default that nobody may have checked."""
    return project.wiki_exists and getattr(project, "wiki_was_pushed", False)


def storage_problem(storage: Storage) -> str:
    """Return why nothing can be made on a storage, or an empty string."""
    socket = storage.gitaly_address.removeprefix("unix:")
    if socket != storage.gitaly_address and not Path(socket).exists():  # the usual case of a machine without Gitaly, at no cost
        return f"Gitaly is not available: there is no socket at {socket}"
    return storage_health(storage, SECONDS).problem


def _provide(project: Project, *, wikis: bool, adopt: bool, made: Callable[[bool], None]) -> None:
    from repositories.services.repositories_at_gitaly import provide_repository, provide_wiki  # noqa: PLC0415  loads gRPC

    made(provide_repository(project, adopt=adopt))
    if wikis or wiki_was_made(project):
        made(provide_wiki(project))


def not_made(missing: list[NotMade]) -> list[str]:
    """Return what to tell an administrator of repositories that could not be made or looked at."""
    if not missing:
        return []
    by_problem: dict[tuple[str, bool], list[str]] = {}
    for one in missing:
        by_problem.setdefault((one.problem, one.was_looked_at), []).append(one.path)
    lines = [
        f"{listed(paths)}: {problem}" if was_looked_at else f"The repositories of {listed(paths)} cannot be looked at: {problem}"
        for (problem, was_looked_at), paths in by_problem.items()
    ]
    return [*lines, "Clones of what is missing fail until it is made. When Gitaly answers, run: python manage.py create_repositories"]


def listed(paths: list[str]) -> str:
    """The first of them, and how many there are besides."""
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more
