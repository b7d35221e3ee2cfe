"""GET /discover."""

from rest_framework.request import Request

from accounts.selectors.actors import actor_reference, find_person
from internal_api.replica import from_replica
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet


class DiscoverViewSet(ShellViewSet):
    """GET /api/v4/internal/discover: whom to greet; `null` for nobody, with status 200 (contract: shell-endpoints 5)."""

    @from_replica
    def retrieve(self, request: Request) -> JSONResponse:
        person = find_person(actor_reference(self.parameters()))
        return JSONResponse(None if person is None else {"id": person.id, "name": person.name, "username": person.username})
