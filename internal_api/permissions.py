"""Which callers may use an endpoint; strangers are refused unless a view says otherwise."""

from typing import TYPE_CHECKING

from rest_framework.permissions import BasePermission

from internal_api.service_tokens import ServiceCaller

if TYPE_CHECKING:
    # At run time this would be a circle: DRF reads this module while it imports rest_framework.views.
    from rest_framework.request import Request
    from rest_framework.views import APIView


class DenyAll(BasePermission):
    """The default: a view that declares nothing answers nobody."""

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        return False


class Anyone(BasePermission):
    """For the few pages that anyone may read (contract: decisions 21a)."""

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        return True


class IsService(BasePermission):
    """A program that holds the secret the view's authentication asks for."""

    def has_permission(self, request: "Request", view: "APIView") -> bool:
        return isinstance(request.auth, ServiceCaller)
