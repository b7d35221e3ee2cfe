"""POST /lfs_authenticate and /lfs_token/verify."""

from django.conf import settings
from rest_framework.request import Request

from accounts.selectors.actors import actor_reference
from internal_api.errors import BadRequestError
from internal_api.logs import note
from internal_api.parameters import Parameters
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet
from repositories.access_parameters import gitaly_client_context
from repositories.selectors.facts import ContainerReference, container_reference
from repositories.services.lfs import give_credentials, verify_credentials


def named_container(parameters: Parameters) -> ContainerReference:
    """The repository that a request names."""
    return container_reference(parameters.text("gl_repository"), parameters.text("project"))


class LFSAuthenticateViewSet(ShellViewSet):
    """POST /api/v4/internal/lfs_authenticate: credentials for LFS over HTTP, after /allowed (contract: shell-endpoints 2)."""

    def create(self, request: Request) -> JSONResponse:
        parameters = self.parameters()
        gitaly_client_context(parameters)
        given = give_credentials(actor_reference(parameters), named_container(parameters))
        note(request, actor=given.username)
        return JSONResponse(
            {
                "username": given.username,
                "lfs_token": given.token,
                "repository_http_path": given.repository_http_path,
                "expires_in": settings.LFS_TOKEN_TTL,
            }
        )


class LFSTokenVerifyViewSet(ShellViewSet):
    """POST /api/v4/internal/lfs_token/verify: what an LFS server asks about the name and token it was given (decisions 14e)."""

    def create(self, request: Request) -> JSONResponse:
        parameters = self.parameters()
        if "gl_repository" not in parameters and "project" not in parameters:
            raise BadRequestError.because("project and gl_repository are missing")
        username, token = parameters.required_text("username"), parameters.required_text("token")
        access = verify_credentials(username, token, named_container(parameters), parameters.text("check_ip"))
        note(request, actor=access.gl_id if access else None, valid=access is not None)
        if access is None:
            return JSONResponse({"valid": False})
        return JSONResponse({"valid": True, "operations": list(access.operations), "gl_id": access.gl_id})
