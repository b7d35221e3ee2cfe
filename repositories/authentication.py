"""How the error tracking backend proves who it is."""

import hmac
import threading

from rest_framework.request import Request

from internal_api.authentication import ShellAuthentication
from internal_api.digests import token_digest
from internal_api.errors import DomainError, UnauthorizedError, UnavailableError
from internal_api.models import InstanceSettings
from internal_api.parameters import Parameters
from internal_api.service_tokens import ServiceCaller

ERROR_TRACKING = "error-tracking"
_TOKEN = "HTTP_GITLAB_ERROR_TRACKING_TOKEN"  # noqa: S105  a header's name
# Bodies of callers that have proved nothing are read by one thread of a process at a time: a caller
# that sends half a body keeps no other thread from answering.
_unproven_body = threading.BoundedSemaphore(1)
WAIT_SECONDS = 0.2


class ErrorTrackingAuthentication(ShellAuthentication):
    """The shell's token, or the instance's error tracking token (contract: decisions 8a and 12).

    A header is judged first; only without one is the body, 64 KiB at most, searched for the token.
    """

    def authenticate(self, request: Request) -> tuple[None, ServiceCaller]:
        if _TOKEN not in request.META and self.header in request.META:
            return super().authenticate(request)
        given = request.META.get(_TOKEN) if _TOKEN in request.META else _from_parameters(request)
        given = (given or "").removesuffix("\n")
        expected = InstanceSettings.current().error_tracking_access_token_digest if given else ""
        if not expected or not hmac.compare_digest(token_digest(given), expected):
            raise UnauthorizedError
        return None, ServiceCaller(ERROR_TRACKING)


def _from_parameters(request: Request) -> str | None:
    """The token in the query or the body.

    A caller that has proved nothing is not told what is wrong with its body. Raises UnavailableError
    while another such body is being read.
    """
    if not _unproven_body.acquire(timeout=WAIT_SECONDS):
        raise UnavailableError
    try:
        return Parameters.of(request._request).text("error_tracking_token")  # noqa: SLF001  as InternalViewSet.parameters does
    except DomainError:
        return None
    finally:
        _unproven_body.release()
