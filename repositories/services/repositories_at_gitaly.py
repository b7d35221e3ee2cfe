"""Projects' repositories at their Gitaly: made with the project, removed with it.

Import it where it is used: it loads gRPC.
"""

from django.db import transaction

from internal_api.errors import UnavailableError
from repositories.errors import RepositoryNotCreatedError
from repositories.gitaly.client import GitalyClient
from repositories.gitaly.errors import GitalyError, RepositoryExistsError, RepositoryNotFoundError
from repositories.gitaly.values import RepositoryRef, StorageAddress
from repositories.models import Project, Storage
from repositories.policy import Project as ProjectFacts
from repositories.policy import RepositoryType
from repositories.policy.repository_path import container_path, gl_repository, relative_path
from repositories.selectors.facts import StorageFacts
from repositories.services.default_branch import latest_event, settle_default_branch

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


def client_and_repository(
    project: ProjectFacts, storage: StorageFacts, repository_type: RepositoryType = RepositoryType.PROJECT
) -> tuple[GitalyClient, RepositoryRef]:
    """The same two from the facts of a decision."""
    repository = RepositoryRef(
        storage.name,
        relative_path(project.id, repository_type, storage.relative_path),
        gl_repository(repository_type, project.id),
        container_path(project.full_path, repository_type),
    )
    return GitalyClient(StorageAddress(storage.name, storage.address, storage.token)), repository


def create_repository(project: Project, repository_type: RepositoryType = RepositoryType.PROJECT, *, seconds: float = SECONDS) -> bool:
    """Make one of the project's repositories; whether it was missing.

    Raises UnavailableError when Gitaly cannot (contract: decisions 10a).
    """
    repository = repository_of(project, repository_type)
    try:
        client_of(project).create_repository(repository, project.default_branch, seconds=seconds)
    except RepositoryExistsError:
        return False
    except GitalyError as error:
        raise RepositoryNotCreatedError(detail=str(error)) from error
    return True


def provide_repository(project: Project, *, adopt: bool = False, seconds: float = SECONDS) -> bool:
    """Make the project's repository unless there is one, and let the project say so; whether it was missing.

    A new repository is empty, whatever the project said, so that the first branch pushed to it is protected. Of one that
    exists Gitaly tells whether it has branches; a project that counts as empty, or with `adopt` any, follows its HEAD.
    No transaction waits for Gitaly: a push may be reported before the row is written. Raises UnavailableError.
    """
    latest = latest_event(project.pk)
    was_missing = create_repository(project, seconds=seconds)
    with transaction.atomic():
        locked = Project.objects.select_for_update().get(pk=project.pk)
        locked.repository_exists = True
        if was_missing and latest_event(project.pk) == latest:
            locked.empty, locked.default_branch_is_provisional = True, False
        locked.save(update_fields=["repository_exists", "empty", "default_branch_is_provisional", "updated_at"])
        if was_missing:
            locked.event("repository_created", {}).save()
    if not was_missing:
        try:
            settle_default_branch(project.pk, seconds=seconds, adopt=adopt)
        except GitalyError as error:
            raise UnavailableError(f"The repository cannot be looked at at the moment: {error}") from error
    project.refresh_from_db(fields=["repository_exists", "empty", "default_branch", "default_branch_is_provisional"])
    return was_missing


def provide_wiki(project: Project, *, seconds: float = SECONDS) -> bool:
    """Make the repository of the project's wiki unless there is one; whether it was missing. Raises UnavailableError."""
    was_missing = create_repository(project, RepositoryType.WIKI, seconds=seconds)
    with transaction.atomic():
        Project.objects.filter(pk=project.pk, wiki_exists=False).update(wiki_exists=True)
        if was_missing:
            project.event("wiki_repository_created", {}).save()
    return was_missing


def remove_one_repository(storage: Storage, repository: RepositoryRef, *, seconds: float = SECONDS) -> bool:
    """Remove a repository; whether there was one. Raises UnavailableError."""
    client = GitalyClient(StorageAddress(storage.name, storage.gitaly_address, storage.gitaly_token or None))
    try:
        client.remove_repository(repository, seconds=seconds)
    except RepositoryNotFoundError:
        return False
    except GitalyError as error:
        raise UnavailableError(f"The repository cannot be removed at the moment: {error}") from error
    return True
