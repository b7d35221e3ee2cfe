"""GET /check."""

from django.conf import settings
from rest_framework.request import Request

from internal_api.client_programs import ClientProgram, program_of
from internal_api.last_calls import last_calls
from internal_api.models.last_call import CallKind
from internal_api.responses import JSONResponse
from internal_api.shared_store import shared_store
from internal_api.views.base import ShellViewSet

_KINDS = {ClientProgram.GITALY: CallKind.CHECK_BY_GITALY, ClientProgram.SHELL: CallKind.CHECK_BY_SHELL}


class CheckViewSet(ShellViewSet):
    """GET /api/v4/internal/check: which service this is, and whether its shared store answers (contract: decisions 14)."""

    def retrieve(self, request: Request) -> JSONResponse:
        if (kind := _KINDS.get(program_of(request.META))) is not None:
            last_calls.note(kind)
        return JSONResponse(
            {
                "api_version": "v4",
                "gitlab_version": settings.GITLAB_VERSION,
                "gitlab_rev": settings.GITLAB_REVISION,
                "gitlab_revision": settings.GITLAB_REVISION,
                "redis": shared_store().is_healthy(),
            }
        )
