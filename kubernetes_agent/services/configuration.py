"""Taking over what an agent's configuration file says (contract: kubernetes-agent 2.3): each time the whole of it."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower

from internal_api.masking import masked
from kubernetes_agent.agent_config import Access, ci_access, user_access
from kubernetes_agent.models import AccessKind, Agent, AgentAuthorization
from repositories.models import Namespace, NamespaceKind, Project


def apply_configuration(agent: Agent, config: Mapping[str, Any]) -> None:
    """Replace what the agent is open to. Paths outside the top-level namespace of its project are dropped without a word.

    Raises MalformedAgentConfigError before anything is written.
    """
    wanted = {AccessKind.CI: ci_access(config), AccessKind.USER: user_access(config)}
    with transaction.atomic():
        Agent.objects.select_for_update().get(pk=agent.pk)
        before = _open_to(agent)
        for kind, access in wanted.items():
            _replace(agent, kind, access)
        _record(agent, before, _open_to(agent))


def _open_to(agent: Agent) -> dict[str, dict[str, Any]]:
    """What the agent is open to: for each kind the ids of projects and groups with their settings."""
    found: dict[str, dict[str, Any]] = {}
    for row in AgentAuthorization.objects.filter(agent=agent).order_by("pk"):
        place = f"project {row.project_id}" if row.project_id else f"group {row.group_id}"
        found.setdefault(row.kind, {})[place] = row.config
    return found


def _record(agent: Agent, before: dict[str, dict[str, Any]], after: dict[str, dict[str, Any]]) -> None:
    """Write one event for all that a file has changed; kas sends the same file again and again."""
    if before != after:
        event = agent.event("configured", {})
        event.changes = {"authorizations": {"before": masked(before), "after": masked(after)}}
        event.save()


def _replace(agent: Agent, kind: AccessKind, access: Access) -> None:
    root = agent.project.namespace.root
    projects, groups = _projects(root, access), _groups(root, access)
    rows = AgentAuthorization.objects.filter(agent=agent, kind=kind)
    rows.exclude(Q(project__in=projects) | Q(group__in=groups)).delete()
    for place, found in (("project", projects), ("group", groups)):
        AgentAuthorization.objects.bulk_create(
            [AgentAuthorization(agent=agent, kind=kind, config=config, **{f"{place}_id": pk}) for pk, config in found.items()],
            update_conflicts=True,
            unique_fields=["agent", "kind", place],
            update_fields=["config"],
        )


def _projects(root: Namespace | None, access: Access) -> dict[int, dict[str, Any]]:
    rows = Project.objects.filter(namespace__root=root).annotate(path_lower=Lower("route__path"))
    return {pk: access.projects[path] for pk, path in rows.filter(path_lower__in=access.projects).values_list("pk", "path_lower")}


def _groups(root: Namespace | None, access: Access) -> dict[int, dict[str, Any]]:
    rows = Namespace.objects.filter(root=root, kind=NamespaceKind.GROUP).annotate(path_lower=Lower("route__path"))
    return {pk: access.groups[path] for pk, path in rows.filter(path_lower__in=access.groups).values_list("pk", "path_lower")}
