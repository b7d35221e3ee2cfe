"""Resources and lists as they travel (contract: scim 1.4, D1, D24). Plain dictionaries: a page of 100 costs milliseconds with them."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from django.conf import settings

from scim.profiles import GitLabProfile, Page
from scim.selectors.identities import ListedIdentity

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
LIST = "urn:ietf:params:scim:api:messages:2.0:ListResponse"
ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


def user_resource(identity: ListedIdentity, groups: Sequence[Mapping[str, str]] | None) -> dict[str, Any]:
    """A user; `groups` is None in a group's scope, where the key is not there at all."""
    given, _, family = identity.name.partition(" ")
    resource: dict[str, Any] = {
        "schemas": [USER],
        "id": identity.extern_uid,
        "externalId": identity.extern_uid,
        "userName": identity.username,
        "name": {"formatted": identity.name, "givenName": given, "familyName": family},
        "name.formatted": identity.name,
        "displayName": identity.name,
        "active": bool(identity.active),
        "emails": [{"type": "work", "value": identity.email, "primary": True}],
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
