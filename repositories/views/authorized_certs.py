"""GET /authorized_certs."""

from rest_framework.request import Request

from internal_api.database_wait import waits_for_database
from internal_api.logs import note
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet
from repositories.selectors.certificates import certified_user


class AuthorizedCertsViewSet(ShellViewSet):
    """GET /api/v4/internal/authorized_certs: whom a certificate signed by a group's authority names (contract: shell-endpoints 4)."""

    @waits_for_database
    def retrieve(self, request: Request) -> JSONResponse:
        parameters = self.parameters()
        found = certified_user(parameters.text("key") or "", parameters.text("user_identifier") or "")
        note(request, actor=found.username, namespace=found.namespace)
        return JSONResponse({"success": True, "namespace": found.namespace, "username": found.username})
