"""POST /kubernetes/authorize_proxy_user."""

from http import HTTPStatus

from rest_framework.request import Request

from accounts.services.token_use import use_token
from internal_api.declared_parameters import DeclaredParameters
from internal_api.errors import BadRequestError, UnauthorizedError
from internal_api.logs import note
from internal_api.responses import JSONResponse
from internal_api.views.base import KasViewSet
from kubernetes_agent.selectors.agents import get_agent
from kubernetes_agent.selectors.feature_flags import kas_feature_flags
from kubernetes_agent.selectors.proxy_users import access_as

_COOKIE, _TOKEN = "session_cookie", "personal_access_token"
_SCOPE = "k8s_proxy"


class AuthorizeProxyUserViewSet(KasViewSet):
    """POST /api/v4/internal/kubernetes/authorize_proxy_user: may somebody use a cluster, and as whom (contract: kubernetes-agent 2.4)."""

    def create(self, request: Request) -> JSONResponse:
        agent_id, access_type, access_key = _declared(DeclaredParameters.of(self.parameters()))
        if access_type == _COOKIE:
            raise UnauthorizedError("401 Unauthorized - Invalid session")  # people have no web session here (decisions 20)
        token = use_token(access_key, [_SCOPE])
        if token is None:
            raise BadRequestError.because("Unable to get user from request data")
        user, agent = token.user, get_agent(agent_id)
        note(request, actor=f"user-{user.pk}", agent_id=agent.pk)
        answer = {
            "agent": {"id": agent.pk, "config_project": {"id": agent.project_id}},
            "user": {"id": user.pk, "username": user.username},
            "access_as": access_as(agent, user),
        }
        flags = kas_feature_flags(project_path=agent.project.route.path, username=user.username)
        return JSONResponse(answer, status=HTTPStatus.CREATED, headers={"Gitlab-Feature-Flag": flags})


def _declared(declared: DeclaredParameters) -> tuple[int, str, str]:
    agent_id = declared.required_integer("agent_id")
    access_type = declared.required_text("access_type")
    if access_type not in {_COOKIE, _TOKEN}:
        declared.complaints.append("access_type does not have a valid value")
    access_key = declared.required_text("access_key")
    if access_type == _COOKIE:
        declared.require("csrf_token")
        if not (declared.optional_text("csrf_token") or "").strip():
            declared.complaints.append("csrf_token is empty")
    declared.check()
    return agent_id, access_type, access_key
