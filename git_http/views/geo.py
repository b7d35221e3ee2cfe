"""GET /api/v4/geo/proxy: what GitLab Workhorse asks at its start (contract: git-http 1.8)."""

from rest_framework.request import Request

from git_http.workhorse import note_start
from internal_api.authentication import WorkhorseAuthentication
from internal_api.permissions import IsService
from internal_api.responses import JSONResponse
from internal_api.views.base import InternalViewSet


class GeoProxyViewSet(InternalViewSet):
    """There is no Geo here, after which Workhorse does not ask again."""

    authentication_classes = [WorkhorseAuthentication]
    permission_classes = [IsService]

    def retrieve(self, request: Request) -> JSONResponse:
        note_start(request)
        return JSONResponse({"geo_enabled": False})
