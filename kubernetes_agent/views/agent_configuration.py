"""POST /kubernetes/agent_configuration."""

from typing import Any

from rest_framework.request import Request

from internal_api.declared_parameters import DeclaredParameters
from internal_api.json_input import InvalidJSONError, decode_embedded
from internal_api.logs import note
from internal_api.responses import EmptyResponse
from internal_api.views.base import KasViewSet
from kubernetes_agent.selectors.agents import get_agent
from kubernetes_agent.services.configuration import apply_configuration


class AgentConfigurationViewSet(KasViewSet):
    """POST /api/v4/internal/kubernetes/agent_configuration: a configuration file has changed (contract: kubernetes-agent 2.3)."""

    def create(self, request: Request) -> EmptyResponse:
        declared = DeclaredParameters.of(self.parameters())
        agent_id = declared.required_integer("agent_id")
        config = _config(declared)
        declared.check()
        agent = get_agent(agent_id)
        note(request, agent_id=agent.pk)
        apply_configuration(agent, config)
        return EmptyResponse()


def _config(declared: DeclaredParameters) -> dict[str, Any]:
    """An object, or a text that holds one."""
    value = declared.values.get("agent_config")
    if "agent_config" not in declared.values:
        declared.complain("agent_config", "missing")
        return {}
    if isinstance(value, str):
        try:
            value = decode_embedded(value)
        except InvalidJSONError:
            value = None
    if not isinstance(value, dict):
        declared.complain("agent_config", "invalid")
        return {}
    return value
