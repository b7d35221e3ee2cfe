"""Projects' repositories at their Gitaly: made with the project, removed with it.

Import it where it is used: it loads gRPC.
"""

from internal_api.errors import UnavailableError
from repositories.gitaly.client import GitalyClient
from repositories.gitaly.errors import GitalyError, RepositoryExistsError, RepositoryNotFoundError
from repositories.gitaly.values import RepositoryRef, StorageAddress
from repositories.models import Project
from repositories.policy import RepositoryType
from repositories.policy.repository_path import container_path, gl_repository, relative_path

SECONDS = 30.0


def client_of(project: Project) -> GitalyClient:
    """The Gitaly that keeps a project."""
    storage = project.storage
    return GitalyClient(StorageAddress(storage.name, storage.gitaly_address, storage.gitaly_token or None))


def repository_of(project: Project, repository_type: RepositoryType = RepositoryType.PROJECT) -> RepositoryRef:
    """One of a project's repositories, as Gitaly is told of it."""
    return RepositoryRef(
        project.storage.name,
        relative_path(project.pk, repository_type, project.relative_path),
        gl_repository(repository_type, project.pk),
        container_path(project.route.path, repository_type),
    )


def create_repository(project: Project, *, seconds: float = SECONDS) -> bool:
    """Make the project's repository; whether it was missing. Raises UnavailableError when Gitaly cannot (decisions 10a)."""
    try:
        client_of(project).create_repository(repository_of(project), project.default_branch, seconds=seconds)
    except RepositoryExistsError:
        return False
    except GitalyError as error:
        raise UnavailableError(f"The repository cannot be created at the moment: {error}") from error
    return True


def remove_repository(project: Project, *, seconds: float = SECONDS) -> bool:
    """Remove the project's repositories; whether there was one. Raises UnavailableError."""
    client, removed = client_of(project), False
    for repository_type in (RepositoryType.PROJECT, RepositoryType.WIKI):
        try:
            client.remove_repository(repository_of(project, repository_type), seconds=seconds)
            removed = True
        except RepositoryNotFoundError:
            continue
        except GitalyError as error:
            raise UnavailableError(f"The repository cannot be removed at the moment: {error}") from error
    return removed
