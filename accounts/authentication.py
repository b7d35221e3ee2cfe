"""How people's programs prove whose they are: personal access tokens (contract: shell-endpoints 14.1)."""

from typing import ClassVar

from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from accounts.models import PersonalAccessToken, User
from accounts.services.token_use import use_token
from internal_api.errors import ForbiddenError, UnauthorizedError
from internal_api.logs import note

_BEARER = "bearer "
_READING = frozenset({"GET", "HEAD"})


class PersonalTokenAuthentication(BaseAuthentication):
    """`PRIVATE-TOKEN`, `Authorization: Bearer`, or the `private_token` parameter of the query; scope `api`, or `read_api` to read."""

    reading_scopes: ClassVar[tuple[str, ...]] = ("api", "read_api")
    writing_scopes: ClassVar[tuple[str, ...]] = ("api",)

    def authenticate(self, request: Request) -> tuple[User, PersonalAccessToken]:
        token = use_token(_shown(request), self.reading_scopes if request.method in _READING else self.writing_scopes)
        if token is None:
            raise UnauthorizedError
        if not token.user.is_active:
            raise ForbiddenError("403 Forbidden - Your account has been blocked.")
        note(request, caller="person", actor=f"user-{token.user.pk}")
        return token.user, token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


def _shown(request: Request) -> str:
    if "HTTP_PRIVATE_TOKEN" in request.META:
        return str(request.META["HTTP_PRIVATE_TOKEN"])
    authorization = str(request.META.get("HTTP_AUTHORIZATION", ""))
    if authorization.lower().startswith(_BEARER):
        return authorization[len(_BEARER) :].strip()
    return str(request.GET.get("private_token", ""))
