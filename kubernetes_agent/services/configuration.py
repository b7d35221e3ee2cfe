"""Taking over what an agent's configuration file says (contract: kubernetes-agent 2.3): each time the whole of it."""

import logging
from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower

from internal_api.masking import masked
from kubernetes_agent.agent_config import Access, ci_access, user_access
from kubernetes_agent.models import AccessKind, Agent, AgentAuthorization
from repositories.models import Namespace, NamespaceKind, Project

logger = logging.getLogger(__name__)
_MOST_SHOWN = 10
"""Paths that one log line names."""


def apply_configuration(agent: Agent, config: Mapping[str, Any]) -> None:
    """Replace what the agent is open to. Paths outside the top-level namespace of its project are dropped, which the log tells.

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
    rows.exclude(Q(project__in=projects.values()) | Q(group__in=groups.values())).delete()
    _log_dropped(agent, kind, access, projects, groups)
    for place, found, configs in (("project", projects, access.projects), ("group", groups, access.groups)):
        AgentAuthorization.objects.bulk_create(
            [AgentAuthorization(agent=agent, kind=kind, config=configs[path], **{f"{place}_id": pk}) for path, pk in found.items()],
            update_conflicts=True,
            unique_fields=["agent", "kind", place],
            update_fields=["config"],
        )


def _log_dropped(agent: Agent, kind: AccessKind, access: Access, projects: Mapping[str, int], groups: Mapping[str, int]) -> None:
    """Tell which paths of the file are of no use, in one line: people are refused because of them."""
    dropped = [*sorted(access.projects.keys() - projects.keys()), *sorted(access.groups.keys() - groups.keys())]
    if dropped:
        shown = ", ".join(path[:255] for path in dropped[:_MOST_SHOWN]) + (
            f" and {len(dropped) - _MOST_SHOWN} more" if len(dropped) > _MOST_SHOWN else ""
        )
        logger.warning(
            "Agent %s (%s in %s): %s names what is missing or not in the top-level namespace of its project: %s",
            agent.pk,
            agent.name,
            agent.project.route.path,
            kind,
            shown,
        )


def _projects(root: Namespace | None, access: Access) -> dict[str, int]:
    """Return the ids of the projects that the file names, by path."""
    rows = Project.objects.filter(namespace__root=root).annotate(path_lower=Lower("route__path"))
    return dict(rows.filter(path_lower__in=access.projects).values_list("path_lower", "pk"))


def _groups(root: Namespace | None, access: Access) -> dict[str, int]:
    """Return the ids of the groups that the file names, by path."""
    rows = Namespace.objects.filter(root=root, kind=NamespaceKind.GROUP).annotate(path_lower=Lower("route__path"))
    return dict(rows.filter(path_lower__in=access.groups).values_list("path_lower", "pk"))
