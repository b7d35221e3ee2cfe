"""A push that makes its project (contract: allowed 4.7)."""

from django.db import transaction

from accounts.models import User
from internal_api.errors import UnprocessableError
from repositories.errors import InvalidProjectError
from repositories.models import Namespace, Project, Visibility
from repositories.services.projects import create_project
from repositories.services.timed_log import TimedLog


class ProjectCreationError(UnprocessableError):
    """The project cannot be made; the pusher reads why."""


def create_by_push(namespace: Namespace, path: str, *, creator_id: int, log: TimedLog) -> Project:
    """A private project with an empty repository, or neither. Raises ProjectCreationError, and UnavailableError without Gitaly."""
    from repositories.services.repositories_at_gitaly import create_repository  # noqa: PLC0415  gRPC is loaded by those who need it

    try:
        with transaction.atomic():
            project = create_project(
                path=path, namespace=namespace, visibility=Visibility.PRIVATE, creator=User.objects.get(pk=creator_id), empty=True
            )
            create_repository(project, seconds=log.seconds_left())
    except InvalidProjectError as error:
        raise ProjectCreationError(f"Could not create project: {error.message}") from error
    return project
