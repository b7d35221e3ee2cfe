"""Resources and lists as they travel (contract: scim 1.4, D1, D24). Plain dictionaries: a page of 100 costs milliseconds with them."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings

from scim.models import Identity
from scim.profiles import GitLabProfile, Page

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def user_resource(identity: Identity, groups: Sequence[Mapping[str, str]] | None) -> dict[str, Any]:
    """A user; `groups` is None in a group's scope, where the key is not there at all."""
    user = identity.user
    given, _, family = user.name.partition(" ")
    resource: dict[str, Any] = {
        "schemas": [USER],
        "id": identity.extern_uid,
        "externalId": identity.extern_uid,
        "userName": user.username,
        "name": {"formatted": user.name, "givenName": given, "familyName": family},
        "name.formatted": user.name,
        "active": identity.active,
        "emails": [{"type": "work", "value": user.email, "primary": True}],
        "meta": {"resourceType": "User"},
    }
    if groups is not None:
        resource["groups"] = list(groups)
    return resource


def group_resource(uid: str, name: str, members: Sequence[Mapping[str, str]] | None) -> dict[str, Any]:
    """A group of the identity provider; `members` is None where the key is not there."""
    resource: dict[str, Any] = {"schemas": [GROUP], "id": uid, "displayName": name, "meta": {"resourceType": "Group"}}
    if members is not None:
        resource["members"] = list(members)
    return resource


def list_response(resources: Sequence[Mapping[str, Any]], total: int, page: Page, profile: GitLabProfile) -> dict[str, Any]:
    """A page of resources."""
    return {
        "schemas": [LIST],
        "totalResults": total,
        "itemsPerPage": profile.items_per_page(page, len(resources)),
        "startIndex": page.start,
        "Resources": list(resources),
    }


def location(base: str, kind: str, identifier: str) -> str:
    """Where a resource is read."""
    return f"{settings.EXTERNAL_URL}{base}/{kind}/{quote(identifier, safe='')}"
