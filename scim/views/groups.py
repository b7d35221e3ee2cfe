"""Groups of the instance's identity provider (contract: scim 1.10)."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from internal_api.replica import from_replica
from scim.errors import InvalidValueError, UnsupportedFilterError
from scim.filters import display_name_filter
from scim.patch import decoded, identifier, member_operations
from scim.projection import Projection
from scim.responses import SCIMNoContent, SCIMResponse
from scim.selectors.groups import ProvidedGroup, get_provided_group, members_of, provided_groups
from scim.serializers import group_resource, list_response, location
from scim.services.groups import apply_operations, link_group, replace_members, unlink_group
from scim.views.base import SCIMViewSet

_OPERATIONS = frozenset({"add", "remove"})


def _refuse(complaints: list[str]) -> None:
    if complaints:
        raise InvalidValueError(", ".join(complaints))


def _missing(body: Mapping[str, Any], *names: str) -> list[str]:
    return [f"{name} is missing" for name in names if body.get(name) is None]


class GroupsViewSet(SCIMViewSet):
    """`.../Groups`, `.../Groups/:id` and `.../Groups/.search`, of the instance alone."""

    @from_replica
    def index(self, request: Request) -> HttpResponse:
        return self._listed(self.query("filter"), self.query("startIndex"), self.query("count"), self.projection())

    @from_replica
    def search(self, request: Request) -> HttpResponse:
        """The same question in a body (RFC 7644 3.4.3)."""
        body = self.body()
        names = [
            ",".join(map(str, body[name])) if isinstance(body.get(name), list) else None for name in ("attributes", "excludedAttributes")
        ]
        asked = body.get("filter")
        return self._listed(asked if isinstance(asked, str) else None, body.get("startIndex"), body.get("count"), Projection.of(*names))

    def _listed(self, asked: str | None, start_index: object, count: object, projection: Projection) -> HttpResponse:
        name = display_name_filter(asked) if asked and asked.strip() else None
        if asked and asked.strip() and name is None:
            raise UnsupportedFilterError
        page = self.profile.page(start_index, count)
        total, groups = provided_groups(name, page)
        return SCIMResponse(list_response(self._resources(groups, projection), total, page, self.profile))

    def _resources(self, groups: list[ProvidedGroup], projection: Projection) -> list[dict[str, Any]]:
        members = members_of([group.uid for group in groups], self.scope.scope) if projection.wants("members") else None
        return [
            projection.apply(group_resource(group.uid, group.name, None if members is None else members.get(group.uid, [])))
            for group in groups
        ]

    @from_replica
    def retrieve(self, request: Request, identifier: str) -> HttpResponse:
        return SCIMResponse(self._resources([get_provided_group(identifier)], self.projection())[0])

    def create(self, request: Request) -> HttpResponse:
        body = self.body()
        _refuse(_missing(body, "displayName"))
        external_id = identifier(body.get("externalId"))
        group = link_group(self.scope.scope, identifier(body["displayName"]) or "", external_id)
        headers = {"Location": location(self.base, "Groups", group.uid)}
        return SCIMResponse(self._resources([group], self.projection())[0], status=HTTPStatus.CREATED, headers=headers)

    def replace(self, request: Request, identifier: str) -> HttpResponse:
        body = self.body()
        _refuse(_missing(body, "schemas", "displayName"))
        group = get_provided_group(identifier)
        if body.get("members") is not None:
            replace_members(self.scope.scope, group, _uids(decoded(body["members"])))
        return SCIMResponse(self.projection().apply(group_resource(group.uid, group.name, None)))

    def partial_update(self, request: Request, identifier: str) -> HttpResponse:
        body = self.body()
        operations = _operations(body)
        group = get_provided_group(identifier)
        apply_operations(self.scope.scope, group, member_operations(operations))
        if self.projection().is_asked_for:
            return SCIMResponse(self._resources([group], self.projection())[0])
        return SCIMNoContent()

    def destroy(self, request: Request, identifier: str) -> HttpResponse:
        unlink_group(get_provided_group(identifier))
        return SCIMNoContent()


def _uids(members: Any) -> list[str]:
    if not isinstance(members, list):
        raise InvalidValueError("members is invalid")
    return [uid for member in members if (uid := identifier(member))]


def _operations(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    _refuse(_missing(body, "schemas", "Operations"))
    operations = decoded(body["Operations"])
    if not isinstance(operations, list) or not all(isinstance(operation, Mapping) for operation in operations):
        raise InvalidValueError("Operations is invalid")
    complaints = ["Operations[0][op] is missing"] if not operations else []
    for index, operation in enumerate(operations):
        op = operation.get("op")
        if op is None:
            complaints.append(f"Operations[{index}][op] is missing")
        elif not isinstance(op, str) or op.lower() not in _OPERATIONS:
            complaints.append(f"Operations[{index}][op] does not have a valid value")
    _refuse(complaints[:20])
    return operations
