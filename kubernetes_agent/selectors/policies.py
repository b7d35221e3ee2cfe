"""Security policies that hold for a project: its own and those of the groups above it (contract: kubernetes-agent 6, decisions 20)."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import yaml
from django.db.models import Q, QuerySet

from internal_api.stored_values import report_unreadable
from internal_api.yaml_input import InvalidYAMLError, decode_mapping
from kubernetes_agent.models import Agent, SecurityPolicy
from repositories.models import NamespaceLineage, Project

_SCANS = frozenset({"container_scanning", "cluster_image_scanning"})


def policies_of(project: Project) -> QuerySet[SecurityPolicy]:
    """The project's own policies and the inherited ones. One statement."""
    above = NamespaceLineage.objects.filter(namespace=project.namespace_id).values("ancestor_id")
    return SecurityPolicy.objects.filter(Q(project=project) | Q(group_id__in=above)).order_by("pk")


def printed_time(moment: datetime) -> str:
    """Seconds and offset, which Go's RFC 3339 reads."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def content(policy: SecurityPolicy) -> dict[str, Any]:
    """What the policy says; nothing when its YAML cannot be read, as an unreadable policy file upstream, which is reported."""
    try:
        return decode_mapping(policy.yaml)
    except InvalidYAMLError:
        report_unreadable(SecurityPolicy._meta.db_table, "yaml", policy.pk)  # noqa: SLF001  Django's public name for it
        return {}


def policy_answer(policy: SecurityPolicy) -> dict[str, Any]:
    """The policy as the document prints it."""
    said = content(policy)
    parts = {
        "name": policy.name,
        "description": policy.description,
        "enabled": policy.enabled,
        "actions": said.get("actions", []),
        "rules": said.get("rules", []),
    }
    dumped = yaml.safe_dump(parts, sort_keys=False, allow_unicode=True)
    return {
        "name": policy.name,
        "description": policy.description,
        "enabled": policy.enabled,
        "yaml": f"---\n{dumped}",
        "updated_at": printed_time(policy.updated_at),
    }


def scan_configurations(agent: Agent) -> list[dict[str, Any]]:
    """When the agent scans which namespaces: one for each scheduled rule that names it."""
    return [item for policy in policies_of(agent.project).filter(enabled=True) for item in _configurations(policy, agent)]


def _configurations(policy: SecurityPolicy, agent: Agent) -> Iterator[dict[str, Any]]:
    said = content(policy)
    if not _scans_images(said) or not _applies(said.get("policy_scope"), agent.project):
        return
    for rule in _mappings(said.get("rules")):
        agents = rule.get("agents")
        if rule.get("type") == "schedule" and isinstance(agents, Mapping) and agent.name in agents:
            yield {
                "cadence": str(rule.get("cadence", "")),
                "namespaces": _namespaces(agents[agent.name]),
                "updated_at": printed_time(policy.updated_at),
            }


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _scans_images(said: Mapping[str, Any]) -> bool:
    return any(isinstance(scan := action.get("scan"), str) and scan in _SCANS for action in _mappings(said.get("actions")))


def _namespaces(value: Any) -> list[str]:
    found = value.get("namespaces") if isinstance(value, Mapping) else None
    if found is None:
        return []
    return [str(item) for item in found] if isinstance(found, list) else [str(found)]


def _applies(scope: Any, project: Project) -> bool:
    """Whether a policy is for this project; by compliance frameworks, which are not kept here, none is."""
    if not isinstance(scope, Mapping):
        return True
    if scope.get("compliance_frameworks"):
        return False
    return _is_in(scope.get("projects"), {project.pk}, project) and _is_in(scope.get("groups"), _groups(scope, project), project)


def _groups(scope: Mapping[str, Any], project: Project) -> set[int]:
    if not scope.get("groups"):
        return set()
    return set(NamespaceLineage.objects.filter(namespace=project.namespace_id).values_list("ancestor_id", flat=True))


def _is_in(places: Any, ids: set[int], project: Project) -> bool:
    if not isinstance(places, Mapping):
        return True
    including, excluding = _mappings(places.get("including")), _mappings(places.get("excluding"))
    if any(_names(place, ids, project) for place in excluding):
        return False
    return not including or any(_names(place, ids, project) for place in including)


def _names(place: Mapping[str, Any], ids: set[int], project: Project) -> bool:
    match place.get("type"):
        case "personal":
            return not project.namespace.is_group
        case "archived":
            return project.archived
        case _:
            named = place.get("id")
            return isinstance(named, int) and named in ids
