"""How the error tracking backend proves who it is."""

import hmac

from rest_framework.request import Request

from internal_api.authentication import ShellAuthentication
from internal_api.digests import token_digest
from internal_api.errors import DomainError, UnauthorizedError
from internal_api.models import InstanceSettings
from internal_api.parameters import Parameters
from internal_api.service_tokens import ServiceCaller

ERROR_TRACKING = "error-tracking"


class ErrorTrackingAuthentication(ShellAuthentication):
    """The instance's error tracking token, in a parameter or a header, or the shell's token (contract: decisions 12)."""

    def authenticate(self, request: Request) -> tuple[None, ServiceCaller]:
        if self.header in request.META:
            try:
                return super().authenticate(request)
            except UnauthorizedError:
                pass  # the other way in is still open
        given = _given(request)
        expected = InstanceSettings.current().error_tracking_access_token_digest if given else ""
        if not expected or not hmac.compare_digest(token_digest(given), expected):
            raise UnauthorizedError
        return None, ServiceCaller(ERROR_TRACKING)


def _given(request: Request) -> str:
    try:
        parameter = Parameters.of(request._request).text("error_tracking_token")  # noqa: SLF001  as InternalViewSet.parameters does
    except DomainError:
        parameter = None  # a caller that has proved nothing is not told what is wrong with its body
    given: str = parameter if parameter is not None else request.META.get("HTTP_GITLAB_ERROR_TRACKING_TOKEN", "")
    return given.removesuffix("\n")
