"""What OpenAPI is told of SCIM (RFC 7643 and 7644, as far as the contract goes)."""

from typing import Any

from internal_api.openapi import ANYTHING, FLAG, NUMBER, TEXT, Operation, Schema, listing, or_null, thing

_ERROR: Schema = {"$ref": "#/components/schemas/SCIMError"}
_META = {"schemas": listing(TEXT)}
_RESOURCE = thing(_META, closed=False)
_LIST = thing({**_META, "totalResults": NUMBER, "itemsPerPage": NUMBER, "startIndex": NUMBER, "Resources": listing({"type": "object"})})
_PAGE: dict[str, Schema] = {"filter?": TEXT, "startIndex?": NUMBER, "count?": NUMBER}
_SHOWN: dict[str, Schema] = {"attributes?": TEXT, "excludedAttributes?": TEXT}
_USER = thing(
    {"userName?": or_null(TEXT), "externalId?": or_null(TEXT), "active?": or_null(FLAG), "emails?": ANYTHING, "name?": ANYTHING},
    closed=False,
)
_GROUP = thing({"displayName?": or_null(TEXT), "externalId?": or_null(TEXT), "members?": ANYTHING}, closed=False)
_PATCH = thing(
    {"schemas?": ANYTHING, "Operations": listing(thing({"op": TEXT, "path?": or_null(TEXT), "value?": ANYTHING}, closed=False))},
    closed=False,
)
_SEARCH = thing({"filter?": or_null(TEXT), "startIndex?": or_null(NUMBER), "count?": or_null(NUMBER)}, closed=False)


def _operation(summary: str, answers: dict[int, Schema | None], errors: tuple[int, ...], **more: Any) -> Operation:
    return Operation(
        summary, answers, errors=(400, 401, 403, 404, 503, *errors), error=_ERROR, media_type="application/scim+json", always=(), **more
    )


def _resources(what: str, body: Schema) -> dict[str, Operation]:
    written = (409, 412, 413, 415)
    return {
        "index": _operation(f"{what}s, page by page", {200: _LIST}, (412,), query={**_PAGE, **_SHOWN}),
        "search": _operation(f"{what}s, asked for in a body", {200: _LIST}, written, body=_SEARCH),
        "create": _operation(f"Take a {what.lower()} in", {201: _RESOURCE}, written, body=body, query=_SHOWN),
        "retrieve": _operation(f"One {what.lower()}", {200: _RESOURCE}, (412,), query=_SHOWN),
        "replace": _operation(f"A {what.lower()} as it shall be", {200: _RESOURCE}, written, body=body, query=_SHOWN),
        "partial_update": _operation(f"Change a {what.lower()}", {200: _RESOURCE, 204: None}, written, body=_PATCH, query=_SHOWN),
        "destroy": _operation(f"Let a {what.lower()} go", {204: None}, (409, 412)),
    }


_DISCOVERY = {
    "service_provider_config": _operation("What is served of SCIM", {200: _RESOURCE}, ()),
    "resource_types": _operation("Which resources there are", {200: _LIST}, ()),
    "resource_type": _operation("One resource type", {200: _RESOURCE}, ()),
    "list_schemas": _operation("Which attributes there are", {200: _LIST}, ()),
    "show_schema": _operation("One schema", {200: _RESOURCE}, ()),
}

OPERATIONS: dict[tuple[str, str], Operation | None] = {
    **{("UsersViewSet", action): operation for action, operation in _resources("User", _USER).items()},
    **{("GroupsViewSet", action): operation for action, operation in _resources("Group", _GROUP).items()},
    **{("DiscoveryViewSet", action): operation for action, operation in _DISCOVERY.items()},
    ("UnservedViewSet", "refuse"): None,
    ("UnknownAddressViewSet", "refuse"): None,
}
"""By view and action; None for addresses that only say that they are not served."""
