"""How an agent proves who it is, through kas (contract: kubernetes-agent 1.2)."""

from dataclasses import dataclass

from rest_framework.request import Request

from internal_api.acting import ActorKind, Identity
from internal_api.authentication import KasAuthentication
from internal_api.errors import UnauthorizedError
from internal_api.logs import note
from internal_api.service_tokens import ServiceCaller
from kubernetes_agent.models import Agent
from kubernetes_agent.selectors.agents import find_agent_token
from kubernetes_agent.services.tokens import record_token_use

_BEARER = "Bearer "


@dataclass(frozen=True, slots=True)
class AgentCaller(ServiceCaller):
    """An agent, for whom kas speaks."""

    agent: Agent

    def audit_identity(self) -> Identity:
        """Return the agent, for the audit log."""
        return Identity(ActorKind.AGENT, name=f"agent {self.agent.pk} ({self.agent.name})", credential="agent token")


class AgentAuthentication(KasAuthentication):
    """The JWT of kas, then the agent's token in the header of whichever version of kas it is."""

    def authenticate(self, request: Request) -> tuple[None, AgentCaller]:
        _, caller = super().authenticate(request)
        token = find_agent_token(_shown(request))
        if token is None:
            raise UnauthorizedError
        record_token_use(token)
        note(request, agent_id=token.agent.pk)
        return None, AgentCaller(caller.issuer, token.agent)


def _shown(request: Request) -> str:
    for header in ("HTTP_GITLAB_AGENT_API_REQUEST", "HTTP_GITLAB_AGENTK_API_REQUEST"):
        if header in request.META:
            return str(request.META[header])
    authorization = str(request.META.get("HTTP_AUTHORIZATION", ""))
    return authorization.removeprefix(_BEARER) if authorization.startswith(_BEARER) else ""
