"""POST /pre_receive."""

from rest_framework.request import Request

from internal_api.database_retry import retry_while_away
from internal_api.http.requests import MIB
from internal_api.last_calls import last_calls
from internal_api.models.last_call import CallKind
from internal_api.responses import JSONResponse
from internal_api.views.base import ShellViewSet
from repositories.access_parameters import gitaly_client_context
from repositories.services.reference_counters import increase_counter


class PreReceiveViewSet(ShellViewSet):
    """POST /api/v4/internal/pre_receive: a push that was allowed begins (contract: allowed 7.2)."""

    body_limit = 64 * MIB

    def create(self, request: Request) -> JSONResponse:
        parameters = self.parameters()
        gitaly_client_context(parameters)
        repository = parameters.required_text("gl_repository")
        last_calls.note(CallKind.PRE_RECEIVE)
        retry_while_away(lambda: increase_counter(repository))
        return JSONResponse({"reference_counter_increased": True})
