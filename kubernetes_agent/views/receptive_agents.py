"""GET /kubernetes/receptive_agents."""

from typing import Any

from rest_framework.request import Request

from internal_api.responses import JSONResponse
from internal_api.views.base import KasViewSet
from kubernetes_agent.models import ReceptiveConfiguration
from kubernetes_agent.selectors.agents import receptive_configurations


class ReceptiveAgentsViewSet(KasViewSet):
    """GET /api/v4/internal/kubernetes/receptive_agents: the agents that kas calls (contract: kubernetes-agent 2.7)."""

    def list(self, request: Request) -> JSONResponse:
        return JSONResponse({"agents": [_answer(row) for row in receptive_configurations()]})


def _answer(row: ReceptiveConfiguration) -> dict[str, Any]:
    mtls = {"client_key": row.client_key, "client_cert": row.client_cert} if row.client_key and row.client_cert else None
    return {
        "id": row.agent_id,
        "url": row.url,
        "ca_cert": row.ca_cert or None,
        "tls_host": row.tls_host or None,
        "jwt": {"private_key": row.private_key} if row.private_key else None,
        "mtls": mtls,
    }
