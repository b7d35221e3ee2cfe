"""Who may use the endpoints for people's programs."""

from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.models import User


class IsPerson(BasePermission):
    """Whoever has shown a personal access token."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        return isinstance(request.user, User)
