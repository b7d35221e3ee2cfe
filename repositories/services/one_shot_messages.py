"""Messages for one person about one repository, told once after the next push (contract: allowed 7.5)."""

import logging

from django.conf import settings

from internal_api.shared_store import SharedStoreError, shared_store, went_without_redis
from repositories import push_messages
from repositories.policy import RepositoryType
from repositories.policy.repository_path import container_path, gl_repository
from repositories.selectors.facts import Facts

logger = logging.getLogger(__name__)
LIFE = 300
_MOVED = "redirect_namespace:{user}:{repository}"
_CREATED = "project_created:{user}:{repository}"


def clone_url(path: str, protocol: str) -> str:
    """Where a repository is cloned from, over SSH or over HTTP."""
    return f"{settings.SSH_URL if protocol == 'ssh' else settings.EXTERNAL_URL}/{path}.git"


def _keep(template: str, facts: Facts, text: str) -> None:
    project, user = facts.project, facts.actor.account
    if project is None or user is None:
        return
    try:
        shared_store().put(template.format(user=user.id, repository=gl_repository(facts.repository_type, project.id)), text, LIFE)
    except SharedStoreError as error:
        logger.warning("A message could not be kept: %s", error)  # a courtesy, which a command does not fail for
        went_without_redis("one_shot_message")


def remember_moved(facts: Facts, protocol: str) -> None:
    """The command named a former path."""
    if facts.redirected_path is None or facts.project is None:
        return
    path = container_path(facts.project.full_path, facts.repository_type)
    kind = "Project wiki" if facts.repository_type == RepositoryType.WIKI else "Project"
    _keep(_MOVED, facts, push_messages.moved(kind, facts.redirected_path, path, clone_url(path, protocol)))


def remember_created(facts: Facts, protocol: str) -> None:
    """The push has made the project."""
    if facts.project is not None:
        path = facts.project.full_path
        project_url = f"{facts.settings.web_url}/{path}" if facts.settings.web_url else None
        _keep(_CREATED, facts, push_messages.created(path, clone_url(path, protocol), project_url))


def take_messages(user_id: int, repository: str) -> list[str]:
    """Both, as far as there are any; gone afterwards."""
    try:
        store = shared_store()
        found = [store.take(template.format(user=user_id, repository=repository)) for template in (_MOVED, _CREATED)]
    except SharedStoreError as error:
        logger.warning("Messages could not be read: %s", error)
        return []
    return [text for text in found if text]
