"""GET /check."""

from django.conf import settings
from rest_framework.request import Request

from internal_api.responses import JSONResponse
from internal_api.shared_store import shared_store
from internal_api.views.base import ShellViewSet


class CheckViewSet(ShellViewSet):
    """GET /api/v4/internal/check: which service this is, and whether its shared store answers (contract: decisions 14)."""

    def retrieve(self, request: Request) -> JSONResponse:
        return JSONResponse(
            {
                "api_version": "v4",
                "gitlab_version": settings.GITLAB_VERSION,
                "gitlab_rev": settings.GITLAB_REVISION,
                "gitlab_revision": settings.GITLAB_REVISION,
                "redis": shared_store().is_healthy(),
            }
        )
