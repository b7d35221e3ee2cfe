"""What the endpoints for agents share."""

from typing import cast

from internal_api.views.base import KasViewSet
from kubernetes_agent.authentication import AgentAuthentication, AgentCaller
from kubernetes_agent.models import Agent


class AgentViewSet(KasViewSet):
    """Asked by kas on behalf of an agent."""

    authentication_classes = [AgentAuthentication]

    @property
    def agent(self) -> Agent:
        """Whose token was shown."""
        return cast("AgentCaller", self.request.auth).agent
