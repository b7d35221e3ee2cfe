"""What the views of all apps have in common."""

from typing import Any, NoReturn

from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from internal_api.authentication import KasAuthentication, ShellAuthentication
from internal_api.declared_parameters import InvalidParametersError
from internal_api.errors import DomainError, MethodNotAllowedError
from internal_api.http.requests import DEFAULT_BODY_LIMIT, MIB
from internal_api.oauth_errors import OAuthError
from internal_api.parameters import Parameters
from internal_api.permissions import IsService


class PlainViewSet(ViewSet):
    """One format, one version, rate limits of our own: what DRF would ask about those before every request is not asked."""

    http_method_names = ["get", "head", "post", "put", "patch", "delete"]
    body_limit = DEFAULT_BODY_LIMIT

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who asks, and whether they may. Raises DomainError."""
        request._request.body_limit = self.body_limit  # type: ignore[attr-defined]  # noqa: SLF001  before anything may read it
        self.perform_authentication(request)
        self.check_permissions(request)

    def raise_uncaught_exception(self, exc: Exception) -> NoReturn:
        """Leave a fault of ours to Django; DRF would look at the format that was negotiated."""
        raise exc


class InternalViewSet(PlainViewSet):
    """An endpoint of ours: its parameters come through `parameters`, its errors leave through `error_body`."""

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
    body_limit = 8 * MIB
    permission_classes = [IsService]
