"""How an identity provider proves who it is (contract: scim 1.1, decisions 22)."""

from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from internal_api.errors import UnauthorizedError
from internal_api.logs import note
from scim.selectors.scopes import OpenScope, find_token, open_group, open_instance
from scim.services.tokens import record_token_use

_BEARER = "bearer "
_PARAMETERS = ("access_token", "bearer_token")


class SCIMAuthentication(BaseAuthentication):
    """A bearer token of the scope that the URL names. Everything outside that scope is the same 401, whether it exists or not."""

    def authenticate(self, request: Request) -> tuple[None, OpenScope]:
        token = find_token(_shown(request))
        if token is None:
            raise UnauthorizedError(headers={"WWW-Authenticate": self.authenticate_header(request)})
        kwargs: dict[str, Any] = request.parser_context["kwargs"]
        try:
            scope = open_group(token, kwargs["group_path"]) if "group_path" in kwargs else open_instance(token)
        except UnauthorizedError:
            raise UnauthorizedError(headers={"WWW-Authenticate": self.authenticate_header(request)}) from None
        record_token_use(token)
        note(request, caller="scim", scope=kwargs.get("group_path", "instance"))
        return None, scope

    def authenticate_header(self, request: Request) -> str:
        return 'Bearer realm="SCIM"'


def _shown(request: Request) -> str:
    authorization = str(request.META.get("HTTP_AUTHORIZATION", ""))
    if authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    return next((str(request.GET[name]) for name in _PARAMETERS if name in request.GET), "")
