"""What the service can do, and the parts of SCIM that it does not serve (contract: scim D28, D29)."""

from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from internal_api.errors import ForbiddenError
from scim.discovery import resource_types, schemas, service_provider_config
from scim.errors import NotImplementedBySCIMError, SCIMNotFoundError
from scim.models import SamlGroupLink
from scim.responses import SCIMResponse
from scim.serializers import LIST
from scim.views.base import SCIMViewSet


def _listed(resources: list[dict[str, Any]]) -> HttpResponse:
    total = len(resources)
    return SCIMResponse({"schemas": [LIST], "totalResults": total, "itemsPerPage": total, "startIndex": 1, "Resources": resources})


class DiscoveryViewSet(SCIMViewSet):
    """`ServiceProviderConfig`, `ResourceTypes`, `Schemas`; read only."""

    def _group_names(self) -> list[str]:
        if not self.scope.scope.is_instance:
            return []
        return list(SamlGroupLink.objects.order_by("name").values_list("name", flat=True).distinct())

    def service_provider_config(self, request: Request, **_: str) -> HttpResponse:
        return SCIMResponse(service_provider_config())

    def resource_types(self, request: Request, **_: str) -> HttpResponse:
        self._refuse_filter()
        return _listed(resource_types(with_groups=bool(self._group_names())))

    def resource_type(self, request: Request, identifier: str, **_: str) -> HttpResponse:
        return _one(resource_types(with_groups=bool(self._group_names())), identifier)

    def list_schemas(self, request: Request, **_: str) -> HttpResponse:
        self._refuse_filter()
        return _listed(schemas(is_instance=self.scope.scope.is_instance, group_names=self._group_names()))

    def show_schema(self, request: Request, identifier: str, **_: str) -> HttpResponse:
        return _one(schemas(is_instance=self.scope.scope.is_instance, group_names=self._group_names()), identifier)

    def _refuse_filter(self) -> None:
        if "filter" in self.request.GET:
            raise ForbiddenError


def _one(resources: list[dict[str, Any]], identifier: str) -> HttpResponse:
    found = next((resource for resource in resources if resource["id"].lower() == identifier.lower()), None)
    if found is None:
        raise SCIMNotFoundError(f"Resource {identifier} not found")
    return SCIMResponse(found)


class UnservedViewSet(SCIMViewSet):
    """`/Me` and `/Bulk`: 501."""

    def refuse(self, request: Request, **_: str) -> HttpResponse:
        raise NotImplementedBySCIMError
