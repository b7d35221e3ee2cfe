"""POST /personal_access_token."""

from rest_framework.request import Request

from accounts.errors import CommandRefusedError
from accounts.services.token_requests import TokenRequest, create_requested_token
from accounts.views.commands import CommandViewSet
from internal_api.logs import note
from internal_api.responses import JSONResponse


class PersonalAccessTokenViewSet(CommandViewSet):
    """POST /api/v4/internal/personal_access_token: a new token, shown this once (contract: shell-endpoints 10)."""

    def create(self, request: Request) -> JSONResponse:
        parameters = self.parameters()
        account = self.acting_account(parameters)
        if account.is_deploy_key:
            raise CommandRefusedError("Deploy keys cannot be used to create personal access tokens")
        user = account.person(user_id_given="user_id" in parameters)
        asked = TokenRequest(parameters.text("name"), parameters.values.get("scopes"), parameters.values.get("expires_at"))
        token, clear = create_requested_token(user, asked)
        note(request, token_id=token.pk)
        expires_at = token.expires_at.isoformat() if token.expires_at else None
        return JSONResponse({"success": True, "token": clear, "scopes": token.scopes, "expires_at": expires_at})
