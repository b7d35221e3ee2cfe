"""What SCIM's endpoints share: bodies, parameters, errors in SCIM's dialect (contract: scim 1.3, 1.4, D3, D25)."""

from functools import cached_property
from http import HTTPStatus
from typing import Any, cast

from django.core.exceptions import RequestDataTooBig
from django.http import HttpResponse
from django.http.request import UnreadablePostError
from rest_framework.request import Request

from internal_api.errors import BadRequestError, DomainError, PayloadTooLargeError, UnsupportedMediaTypeError
from internal_api.parameters import json_object, query_of
from internal_api.views.base import PlainViewSet
from scim.authentication import SCIMAuthentication
from scim.errors import InvalidSyntaxError, InvalidValueError, SCIMNotFoundError
from scim.permissions import OpensScope
from scim.profiles import GitLabProfile, profile_of
from scim.projection import Projection
from scim.responses import SCIMResponse
from scim.selectors.scopes import OpenScope
from scim.serializers import ERROR

_FRAMEWORK = {HTTPStatus.UNAUTHORIZED: "Unauthorized", HTTPStatus.FORBIDDEN: "Forbidden"}


class SCIMViewSet(PlainViewSet):
    """An endpoint in a scope."""

    authentication_classes = [SCIMAuthentication]
    permission_classes = [OpensScope]
    response_class = SCIMResponse

    def finalize_response(self, *args: Any, **kwargs: Any) -> Any:
        """Leave `Allow`, which differs from route to route, out of a 401: it is the same everywhere (contract: decisions 22)."""
        response = super().finalize_response(*args, **kwargs)
        if response.status_code == HTTPStatus.UNAUTHORIZED:
            del response.headers["Allow"]
        return response

    @property
    def scope(self) -> OpenScope:
        """Whose token was shown."""
        return cast("OpenScope", self.request.auth)

    @property
    def profile(self) -> GitLabProfile:
        return profile_of(self.scope.token.profile)

    @property
    def base(self) -> str:
        """The path of the scope, such as `/api/scim/v2/application`."""
        group = self.kwargs.get("group_path")
        return f"/api/scim/v2/groups/{group}" if group else "/api/scim/v2/application"

    @cached_property
    def _query(self) -> dict[str, Any]:
        """The parameters of the query, read once. Raises BadRequestError."""
        return query_of(self.request._request)  # noqa: SLF001  DRF's request hides the query as it was sent

    def query(self, name: str) -> str | None:
        """Return a parameter of the query. Raises BadRequestError for one that is no single string, or cannot be stored."""
        value = self._query.get(name)
        if value is not None and not isinstance(value, str):
            raise BadRequestError.because(f"{name} must be a string")
        return value

    def body(self) -> dict[str, Any]:
        """The JSON object in the body; none is an empty one. Raises InvalidSyntaxError and its siblings."""
        request = self.request._request  # noqa: SLF001  DRF's parsers would read the body by rules of their own
        content_type = request.content_type or ""
        if content_type not in {"", "application/json"} and not content_type.endswith("+json"):
            raise UnsupportedMediaTypeError(f"The provided content-type '{content_type[:100]}' is not supported.")
        try:
            return json_object(request.body or b"{}")
        except RequestDataTooBig:
            raise PayloadTooLargeError from None
        except (BadRequestError, UnreadablePostError) as error:
            raise InvalidSyntaxError(str(error)) from error

    def projection(self) -> Projection:
        """Which attributes are wanted."""
        return Projection.of(self.query("attributes"), self.query("excludedAttributes"))

    def error_body(self, error: DomainError) -> dict[str, Any]:
        status = error.status
        is_numeric = getattr(error, "numeric", False)
        body: dict[str, Any] = {
            "schemas": [ERROR],
            "detail": _FRAMEWORK.get(status, error.message),
            "status": int(status) if is_numeric else str(int(status)),
        }
        if scim_type := getattr(error, "scim_type", None):
            body["scimType"] = scim_type
        if status in _FRAMEWORK:
            body["message"] = error.message
        if isinstance(error, InvalidValueError):
            body["error"] = error.message
        return body


class UnknownAddressViewSet(SCIMViewSet):
    """Anything in a scope that is not served."""

    def refuse(self, request: Request, **_: str) -> HttpResponse:
        raise SCIMNotFoundError
