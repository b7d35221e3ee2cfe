"""Who may use SCIM."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from scim.selectors.scopes import OpenScope


class OpensScope(BasePermission):
    """Whoever has shown the token of the scope."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.auth, OpenScope)
