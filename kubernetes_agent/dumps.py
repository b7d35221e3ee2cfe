"""Agents and security policies in a dumped seed file; how kas calls a receptive agent is made of secrets, and left out."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Prefetch

from internal_api.seeding.dump import columns, grouped, register_key_dump
from kubernetes_agent.models import Agent, AgentToken, SecurityPolicy
from repositories.models import Namespace, Project


def _agents(projects: Sequence[Project]) -> dict[int, list[dict[str, Any]]]:
    tokens = Prefetch("tokens", AgentToken.objects.order_by("pk"))
    agents = Agent.objects.filter(project__in=projects).select_related("created_by").prefetch_related(tokens).order_by("name")
    return grouped((agent.project_id, _agent(agent)) for agent in agents)


def _agent(agent: Agent) -> dict[str, Any]:
    tokens: dict[str, dict[str, Any]] = {}
    for token in agent.tokens.all():
        tokens.setdefault(token.name, columns(token, "name", "status"))
    creator = agent.created_by.username if agent.created_by else None
    return {**columns(agent, "id", "name"), "created_by": creator, "tokens": list(tokens.values())}


def _policy(policy: SecurityPolicy) -> dict[str, Any]:
    return columns(policy, "name", "description", "enabled", "yaml")


def _policies_of_projects(projects: Sequence[Project]) -> dict[int, list[dict[str, Any]]]:
    rows = SecurityPolicy.objects.filter(project__in=projects).order_by("name")
    return grouped((policy.project_id, _policy(policy)) for policy in rows)


def _policies_of_groups(groups: Sequence[Namespace]) -> dict[int, list[dict[str, Any]]]:
    rows = SecurityPolicy.objects.filter(group__in=groups).order_by("name")
    return grouped((policy.group_id, _policy(policy)) for policy in rows)


def register() -> None:
    """Make the keys known."""
    register_key_dump("projects", "agents", _agents)
    register_key_dump("projects", "security_policies", _policies_of_projects)
    register_key_dump("groups", "security_policies", _policies_of_groups)
