"""A push that creates its project (contract: allowed 4.7)."""

from accounts.models import User
from internal_api.errors import UnprocessableError
from internal_api.models import InstanceSettings
from repositories.errors import InvalidProjectError
from repositories.models import Namespace, Project, Visibility
from repositories.services.projects import create_project


class ProjectCreationError(UnprocessableError):
    """The project cannot be created; the pusher reads why."""


def lock_namespace(namespace_id: int) -> Namespace:
    """The namespace's row, locked until the transaction ends: first pushes into one namespace are decided one after another.

    Inserts that refer to the namespace do not wait for it (`no_key`).
    """
    return Namespace.objects.select_for_update(no_key=True).get(pk=namespace_id)


def create_by_push(namespace: Namespace, path: str, *, creator_id: int) -> Project:
    """The rows of a private, empty project. Its repository is created by the caller. Raises ProjectCreationError."""
    try:
        return create_project(
            path=path,
            namespace=namespace,
            visibility=Visibility.PRIVATE,
            creator=User.objects.get(pk=creator_id),
            default_branch=InstanceSettings.current().default_branch_name,
            wiki_exists=False,
            empty=True,
        )
    except InvalidProjectError as error:
        raise ProjectCreationError(f"Could not create project: {error.message}") from error
