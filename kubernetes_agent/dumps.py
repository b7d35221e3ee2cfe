"""Agents and security policies in a dumped seed file; how kas calls a receptive agent is made of secrets, and left out."""

from typing import Any

from internal_api.seeding.dump import columns, register_key_dump
from kubernetes_agent.models import Agent
from repositories.models import Namespace, Project


def _agents(project: Project) -> list[dict[str, Any]]:
    return [_agent(agent) for agent in Agent.objects.filter(project=project).select_related("created_by").order_by("name")]


def _agent(agent: Agent) -> dict[str, Any]:
    tokens: dict[str, dict[str, Any]] = {}
    for token in agent.tokens.order_by("pk"):
        tokens.setdefault(token.name, columns(token, "name", "status"))
    creator = agent.created_by.username if agent.created_by else None
    return {**columns(agent, "id", "name"), "created_by": creator, "tokens": list(tokens.values())}


def _policies(place: Namespace | Project) -> list[dict[str, Any]]:
    return [columns(policy, "name", "description", "enabled", "yaml") for policy in place.security_policies.order_by("name")]


def register() -> None:
    """Make the keys known."""
    register_key_dump("projects", "agents", _agents)
    register_key_dump("projects", "security_policies", _policies)
    register_key_dump("groups", "security_policies", _policies)
