"""GET agent_info, project_info and verify_project_access."""

from rest_framework.request import Request

from internal_api.responses import EmptyResponse, JSONResponse
from kubernetes_agent.project_answers import project_answer
from kubernetes_agent.selectors.projects import readable_project
from kubernetes_agent.views.base import AgentViewSet


class AgentInfoViewSet(AgentViewSet):
    """GET agent_info: who the agent is, and where its configuration lies (contract: kubernetes-agent 2.1)."""

    def retrieve(self, request: Request) -> JSONResponse:
        agent = self.agent
        return JSONResponse({"agent_id": agent.pk, "agent_name": agent.name, **project_answer(agent.project)})


class ProjectInfoViewSet(AgentViewSet):
    """GET /kubernetes/project_info: where a project that the agent may read lies (contract: kubernetes-agent 2.2)."""

    def retrieve(self, request: Request) -> JSONResponse:
        return JSONResponse(project_answer(readable_project(self.agent, self.parameters().text("id") or "")))


class VerifyProjectAccessViewSet(AgentViewSet):
    """GET /kubernetes/verify_project_access: whether the agent may read a project (contract: kubernetes-agent 2.2)."""

    def retrieve(self, request: Request) -> EmptyResponse:
        readable_project(self.agent, self.parameters().text("id") or "")
        return EmptyResponse()
