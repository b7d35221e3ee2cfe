"""Which projects an agent may read (contract: kubernetes-agent 2.2)."""

import re

from accounts.selectors.actors import NOBODY
from internal_api.errors import NotFoundError
from internal_api.parameters import LARGEST_ID
from kubernetes_agent.models import Agent
from repositories.models import Project
from repositories.policy import Actor, RepositoryType
from repositories.policy.abilities import can_download
from repositories.selectors.facts import ContainerReference, container_reference, gather

_ID = re.compile(r"-?\d+", re.ASCII)


def _reference(identifier: str) -> ContainerReference | None:
    if _ID.fullmatch(identifier):
        project_id = int(identifier) if len(identifier) < 20 else 0  # noqa: PLR2004  the digits of 64 bits
        return ContainerReference(project_id=project_id if 0 < project_id <= LARGEST_ID else 0)
    return container_reference(None, identifier) if "/" in identifier else None


def readable_project(agent: Agent, identifier: str) -> Project:
    """The project of that id or full path, former paths too: the agent's own, or one that anybody may download.

    Raises NotFoundError, whether the project is hidden or missing. Three statements at most.
    """
    reference = _reference(identifier)
    facts = gather(NOBODY, reference) if reference else None
    project = facts.project if facts and facts.repository_type == RepositoryType.PROJECT else None
    if project is None or not (project.id == agent.project_id or can_download(Actor(None, None), project)):
        raise NotFoundError
    if project.id == agent.project_id:
        return agent.project
    return Project.objects.select_related("storage", "route").get(pk=project.id)
