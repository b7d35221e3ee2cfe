"""GET /authorized_keys."""

from datetime import datetime

from rest_framework.request import Request

from accounts.selectors.ssh_keys import find_authorized_key
from accounts.ssh.fingerprint import fingerprint_of_parameter
from internal_api.database_wait import waits_for_database
from internal_api.errors import BadRequestError, NotFoundError
from internal_api.logs import note
from internal_api.replica import from_replica
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet


def timestamp(moment: datetime | None) -> str | None:
    """A time as GitLab prints it: UTC with milliseconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z" if moment else None


class AuthorizedKeysViewSet(ShellViewSet):
    """GET /api/v4/internal/authorized_keys?key=BASE64: which key is this (contract: shell-endpoints 3)."""

    @from_replica
    @waits_for_database
    def retrieve(self, request: Request) -> JSONResponse:
        parameter = self.parameters().text("key")
        if parameter is None:
            raise BadRequestError.because("key is missing")
        key = find_authorized_key(fingerprint_of_parameter(parameter))
        if key is None:
            raise NotFoundError.of("Key")
        note(request, key_id=key.id)
        return JSONResponse(
            {
                "id": key.id,
                "title": key.title,
                "created_at": timestamp(key.created_at),
                "expires_at": timestamp(key.expires_at),
                "key": key.authorized_line,
                "usage_type": key.usage_type,
            }
        )
