"""Wikis' repositories, which their first allowed push creates (contract: decisions 16d)."""

import logging

from repositories.errors import RepositoryNotCreatedError
from repositories.models import Project
from repositories.policy import RepositoryType
from repositories.selectors.facts import Facts

logger = logging.getLogger(__name__)
SECONDS = 5.0


def create_missing_wiki(facts: Facts) -> None:
    """Create the wiki's repository unless Gitaly has it. Call this when a push to it was allowed.

    Raises UnavailableError where it is known to be missing and Gitaly cannot create it. Where it is believed to exist and
    Gitaly does not answer, nothing happens: the push will hear it from Gitaly itself.
    """
    from repositories.gitaly.errors import GitalyError, RepositoryExistsError  # noqa: PLC0415  gRPC is loaded by those who need it
    from repositories.services.repositories_at_gitaly import client_and_repository  # noqa: PLC0415  likewise

    project, storage = facts.project, facts.storage
    if project is None or storage is None:
        raise LookupError("A wiki is created for a project that does not exist.")
    client, repository = client_and_repository(project, storage, RepositoryType.WIKI)
    try:
        if project.wiki_exists and client.repository_exists(repository, seconds=SECONDS):
            return
        client.create_repository(repository, facts.settings.default_branch_name, seconds=SECONDS)
    except RepositoryExistsError:
        pass
    except GitalyError as error:
        logger.warning("The repository of wiki-%s could not be created: %s", project.id, error)
        if project.wiki_exists:
            return
        raise RepositoryNotCreatedError(detail=str(error)) from error
    Project.objects.filter(pk=project.id, wiki_exists=False).update(wiki_exists=True)
