"""What an agent's configuration file opens to whom (contract: kubernetes-agent 2.3). Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes_agent.errors import MalformedAgentConfigError

MOST_ENTRIES = 500


@dataclass(frozen=True, slots=True)
class Access:
    """Full paths in small letters, each with the configuration that goes with it."""

    projects: Mapping[str, dict[str, Any]]
    groups: Mapping[str, dict[str, Any]]


def ci_access(config: Mapping[str, Any]) -> Access:
    """To which projects' and groups' CI jobs the agent is open; an entry's configuration is the entry without its id."""
    section = _object(config, "ci_access")
    return Access(*({path: _without_id(entry) for path, entry in _entries(section, kind)} for kind in ("projects", "groups")))


def user_access(config: Mapping[str, Any]) -> Access:
    """To which projects' and groups' people it is open; all share one `access_as`."""
    section = _object(config, "user_access")
    shared = {"access_as": section["access_as"]} if section.get("access_as") is not None else {}
    return Access(*({path: dict(shared) for path, _ in _entries(section, kind)} for kind in ("projects", "groups")))


def _object(values: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = values.get(name)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise MalformedAgentConfigError.because(f"agent_config[{name}] must be an object")
    return value


def _entries(section: Mapping[str, Any], kind: str) -> list[tuple[str, Mapping[str, Any]]]:
    entries = section.get(kind)
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise MalformedAgentConfigError.because(f"agent_config has {kind} that are no list")
    found = []
    for entry in entries[:MOST_ENTRIES]:
        identifier = entry.get("id") if isinstance(entry, Mapping) else None
        if not isinstance(identifier, str):
            raise MalformedAgentConfigError.because(f"agent_config has {kind} without an id")
        found.append((identifier.lower(), entry))
    return found


def _without_id(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in entry.items() if name != "id"}
