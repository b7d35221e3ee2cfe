"""What the views of all apps have in common."""

from typing import Any

from rest_framework.viewsets import ViewSet

from internal_api.authentication import KasAuthentication, ShellAuthentication
from internal_api.declared_parameters import InvalidParametersError
from internal_api.errors import DomainError, MethodNotAllowedError
from internal_api.oauth_errors import OAuthError
from internal_api.parameters import Parameters
from internal_api.permissions import IsService


class InternalViewSet(ViewSet):
    """An endpoint of ours: its parameters come through `parameters`, its errors leave through `error_body`."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]

    def parameters(self) -> Parameters:
        """Query and body of this request, merged. Raises BadRequestError and its siblings."""
        return Parameters.of(self.request._request)  # noqa: SLF001  DRF's parsers would read the body by rules of their own

    def error_body(self, error: DomainError) -> dict[str, Any]:
        """The body of an error in this endpoint's dialect; `message` is always a string, or GitLab Shell cannot read it."""
        if isinstance(error, MethodNotAllowedError):
            return {"error": "405 Not Allowed", "message": "405 Not Allowed"}
        if isinstance(error, InvalidParametersError):
            return {"error": error.message}
        if isinstance(error, OAuthError):
            return error.body()
        return {"message": error.message}


class ShellViewSet(InternalViewSet):
    """Asked by GitLab Shell and Gitaly."""

    authentication_classes = [ShellAuthentication]
    permission_classes = [IsService]


class KasViewSet(InternalViewSet):
    """Asked by the Kubernetes agent server."""

    authentication_classes = [KasAuthentication]
    permission_classes = [IsService]
