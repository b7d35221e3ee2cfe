"""Users: list, search, read, create, replace, change, delete (contract: scim 1.5 to 1.9)."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from internal_api.logs import note
from internal_api.replica import from_replica
from scim.errors import InvalidValueError, UnsupportedFilterError
from scim.filters import MalformedFilterError, parse_filter
from scim.masking import inspected
from scim.models import Identity
from scim.new_user import read_new_user
from scim.patch import Changes, InvalidActiveError, MalformedOperationsError, patch_changes, resource_changes
from scim.projection import Projection
from scim.responses import SCIMNoContent, SCIMResponse
from scim.selectors.identities import ListedIdentity, filtered_identities, get_identity, groups_of, identity_page, listed
from scim.serializers import list_response, location, user_resource
from scim.services.provisioning import change, provision, remove
from scim.views.base import SCIMViewSet


@contextmanager
def _active_is_valid() -> Iterator[None]:
    """Answer 400 for `active` that is neither true nor false, and for operations that cannot be read."""
    try:
        yield
    except InvalidActiveError:
        raise InvalidValueError("active is invalid") from None
    except MalformedOperationsError:
        raise InvalidValueError("Operations is invalid") from None


class UsersViewSet(SCIMViewSet):
    """`.../Users`, `.../Users/:id` and `.../Users/.search`."""

    @from_replica
    def index(self, request: Request, **_: str) -> HttpResponse:
        page = {name: self.query(name) for name in ("startIndex", "count")}
        return self._listed(self.query("filter"), page["startIndex"], page["count"], self.projection())

    @from_replica
    def search(self, request: Request, **_: str) -> HttpResponse:
        """The same question in a body (RFC 7644 3.4.3)."""
        body = self.body()
        projection = Projection.of(_joined(body.get("attributes")), _joined(body.get("excludedAttributes")))
        asked = body.get("filter")
        return self._listed(asked if isinstance(asked, str) else None, body.get("startIndex"), body.get("count"), projection)

    def _listed(self, asked: str | None, start_index: object, count: object, projection: Projection) -> HttpResponse:
        scope, page = self.scope.scope, self.profile.page(start_index, count)
        if asked is not None and asked.strip():
            try:
                terms = parse_filter(asked)
            except MalformedFilterError:
                raise UnsupportedFilterError from None
            found = filtered_identities(scope, terms) if self.scope.is_enabled else []
            total, shown = len(found), [listed(identity) for identity in found[page.offset : page.offset + page.size]]
        elif self.scope.is_enabled:
            total, shown = scope.identity_count, identity_page(scope, page)
        else:
            total, shown = 0, []
        return SCIMResponse(list_response(self._resources(shown, projection), total, page, self.profile))

    def _resources(self, identities: list[ListedIdentity], projection: Projection) -> list[dict[str, Any]]:
        of_instance = self.scope.scope.is_instance
        groups = groups_of(identities) if of_instance and projection.wants("groups") else {}
        return [
            projection.apply(user_resource(identity, groups.get(identity.user_id, []) if of_instance else None)) for identity in identities
        ]

    def _resource(self, identity: Identity) -> dict[str, Any]:
        return self._resources([listed(identity)], self.projection())[0]

    @from_replica
    def retrieve(self, request: Request, identifier: str, **_: str) -> HttpResponse:
        return SCIMResponse(self._resource(get_identity(self.scope.scope, identifier)))

    def create(self, request: Request, **_: str) -> HttpResponse:
        body = self.body()
        with _active_is_valid():
            new = read_new_user(body)
        identity = provision(self.scope, new, lambda: inspected(body))
        note(request, provisioned=identity.user.username)
        headers = {"Location": location(self.base, "Users", identity.extern_uid)}
        return SCIMResponse(self._resource(identity), status=HTTPStatus.CREATED, headers=headers)

    def replace(self, request: Request, identifier: str, **_: str) -> HttpResponse:
        body = self.body()
        with _active_is_valid():
            changes = resource_changes(body)
        identity = get_identity(self.scope.scope, identifier)
        self._change(identity, changes, body)
        return SCIMResponse(self._resource(Identity.objects.select_related("user").get(pk=identity.pk)))

    def partial_update(self, request: Request, identifier: str, **_: str) -> HttpResponse:
        body = self.body()
        with _active_is_valid():
            changes = patch_changes(body)
        identity = get_identity(self.scope.scope, identifier, deleted=changes.active is True)
        self._change(identity, changes, body)
        if self.projection().is_asked_for:
            return SCIMResponse(self._resource(Identity.objects.select_related("user").get(pk=identity.pk)))
        return SCIMNoContent()

    def _change(self, identity: Identity, changes: Changes, body: dict[str, Any]) -> None:
        note(self.request, user=identity.user.username, active=changes.active)
        change(self.scope, identity, changes, lambda: inspected(body))

    def destroy(self, request: Request, identifier: str, **_: str) -> HttpResponse:
        identity = get_identity(self.scope.scope, identifier)
        note(request, removed=identity.user.username)
        remove(self.scope, identity)
        return SCIMNoContent()


def _joined(names: Any) -> str | None:
    return ",".join(str(name) for name in names) if isinstance(names, list) else names if isinstance(names, str) else None
