"""Deleting projects: the rows in one transaction, then the repositories at Gitaly (contract: decisions 16a, 16d)."""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from django.db import DatabaseError, IntegrityError, OperationalError, connection, transaction

from internal_api.errors import UnavailableError
from repositories.errors import InvalidProjectError
from repositories.models import Project
from repositories.policy import RepositoryType

RETRY_SECONDS = 10.0
"""For how long the rows are tried again while others write rows about the project."""
PAUSE = 0.2
_CONFLICTS = ("40P01", "55P03", "40001")
"""SQLSTATE of a deadlock, of a lock that is not available, and of a serialization failure."""


@dataclass(frozen=True, slots=True)
class RepositoryRemoval:
    """What became of a deleted project's repositories: whether there was one, and what remains at Gitaly, if anything."""

    removed: bool
    remains: str = ""


def check_gitaly_can_remove(project: Project) -> None:
    """Raise UnavailableError while Gitaly does not answer. Call it before `delete_project`, and in no transaction."""
    from repositories.gitaly.errors import GitalyError  # noqa: PLC0415  gRPC is loaded by those who need it
    from repositories.services.repositories_at_gitaly import SECONDS, client_of, repository_of  # noqa: PLC0415  likewise

    try:
        client_of(project).repository_exists(repository_of(project), seconds=SECONDS)
    except GitalyError as error:
        message = f"The repository cannot be removed at the moment: {error}. Nothing was deleted."
        raise UnavailableError(message) from error


def delete_project(project: Project) -> Project:
    """Delete a project with everything about it; the project as it was, for `remove_repositories` after the commit.

    Raises UnavailableError while others keep writing about the project, and InvalidProjectError when somebody else has just
    deleted it; nothing is deleted then.
    """
    try:
        gone = Project.objects.select_related("storage", "route").get(pk=project.pk)
        _retry_conflicts(lambda: _delete_rows(gone.pk))
    except Project.DoesNotExist as error:
        raise InvalidProjectError("The project does not exist any more: it has just been deleted.") from error
    return gone


def _delete_rows(project_id: int) -> None:
    """Delete the rows. While the project's row is locked, rows that name it wait with their commit, and fail after ours.

    A report of a push locks the project's row first too (`pushes.record`): a deadlock could make the report the victim, and a
    report is never refused.
    """
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project_id)
        locked.delete()
        if connection.vendor == "postgresql":
            connection.check_constraints()  # here, where a conflict can be tried again, instead of at the commit


def _retry_conflicts(step: Callable[[], None]) -> None:
    """Run a step again while it conflicts with other writers, each time in a transaction of its own."""
    end = time.monotonic() + RETRY_SECONDS
    while True:
        try:
            step()
        except DatabaseError as error:
            if not _is_conflict(error):
                raise
            if time.monotonic() >= end:
                raise UnavailableError("The project is being written to all the time. Nothing was deleted; try again.") from error
            time.sleep(random.uniform(0, PAUSE))  # noqa: S311  no secret: it keeps two writers from meeting again
        else:
            return


def _is_conflict(error: DatabaseError) -> bool:
    """Whether another transaction was in the way, and may not be the next time."""
    if isinstance(error, IntegrityError):
        return True
    return isinstance(error, OperationalError) and getattr(error.__cause__, "sqlstate", None) in _CONFLICTS


def remove_repositories(project: Project) -> RepositoryRemoval:
    """Remove the repositories of a project that is deleted. Call it in no transaction."""
    from repositories.services.repositories_at_gitaly import remove_one_repository, repository_of  # noqa: PLC0415  loads gRPC

    found = RepositoryRemoval(removed=False)
    for repository_type in (RepositoryType.PROJECT, RepositoryType.WIKI):
        repository = repository_of(project, repository_type)
        try:
            removed = remove_one_repository(project.storage, repository)
        except UnavailableError as error:
            option = f" --relative-path {project.relative_path}" if project.relative_path else ""
            command = f"python manage.py remove_repository {repository.gl_repository} --storage {project.storage.name}{option}"
            remains = f"{repository.relative_path} remains at Gitaly: {error}. To remove it, run: {command}"
            found = replace(found, remains=f"{found.remains} {remains}".strip())
        else:
            found = replace(found, removed=found.removed or removed)
    return found
