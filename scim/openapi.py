"""What OpenAPI is told of SCIM (RFC 7643 and 7644, as far as the contract goes)."""

from typing import Any

from internal_api.openapi import ANYTHING, FLAG, NUMBER, TEXT, Operation, Schema, listing, one_of, or_null, thing

_ERROR: Schema = {"$ref": "#/components/schemas/SCIMError"}
_SCHEMAS: dict[str, Schema] = {"schemas": listing(TEXT)}
_IN_ALL: dict[str, Schema] = {**_SCHEMAS, "meta": thing({"resourceType": TEXT})}


def _list(resource: Schema) -> Schema:
    """A page of resources (RFC 7644 3.4.2)."""
    return thing({**_SCHEMAS, "totalResults": NUMBER, "itemsPerPage": NUMBER, "startIndex": NUMBER, "Resources": listing(resource)})


_USER_RESOURCE = thing(
    {
        **_SCHEMAS,
        "id": TEXT,
        "externalId?": TEXT,
        "userName?": TEXT,
        "name?": thing({"formatted?": TEXT, "givenName?": TEXT, "familyName?": TEXT}),
        "name.formatted?": TEXT,
        "displayName?": TEXT,
        "active?": FLAG,
        "emails?": listing(thing({"type?": TEXT, "value?": TEXT, "primary?": FLAG})),
        "meta?": thing({"resourceType?": TEXT}),
        "groups?": listing(thing({"value?": TEXT, "display?": TEXT, "type?": TEXT})),
    }
)
"""Whatever `attributes` and `excludedAttributes` leave of a user."""
_GROUP_RESOURCE = thing(
    {
        **_SCHEMAS,
        "id": TEXT,
        "displayName?": TEXT,
        "meta?": thing({"resourceType?": TEXT}),
        "members?": listing(thing({"value?": TEXT, "display?": TEXT, "type?": TEXT})),
    }
)
_SUPPORTED = thing({"supported": FLAG})
_CONFIG = thing(
    {
        **_IN_ALL,
        "patch": _SUPPORTED,
        "bulk": thing({"supported": FLAG, "maxOperations": NUMBER, "maxPayloadSize": NUMBER}),
        "filter": thing({"supported": FLAG, "maxResults": NUMBER}),
        "changePassword": _SUPPORTED,
        "sort": _SUPPORTED,
        "etag": _SUPPORTED,
        "authenticationSchemes": listing(thing({"type": TEXT, "name": TEXT, "description": TEXT, "primary": FLAG})),
    }
)
_TYPE = thing(
    {
        **_IN_ALL,
        "id": TEXT,
        "name": TEXT,
        "endpoint": TEXT,
        "description": TEXT,
        "schema": TEXT,
        "schemaExtensions": listing(ANYTHING),
    }
)
_ATTRIBUTE: dict[str, Schema] = {
    "name": TEXT,
    "type": one_of("string", "boolean", "complex"),
    "multiValued": FLAG,
    "description": TEXT,
    "required": FLAG,
    "caseExact?": FLAG,
    "mutability": one_of("readOnly", "readWrite", "immutable"),
    "returned": one_of("default", "never"),
    "uniqueness": one_of("none", "server"),
    "canonicalValues?": listing(TEXT),
}
_SCHEMA = thing(
    {
        **_IN_ALL,
        "id": TEXT,
        "name": TEXT,
        "description": TEXT,
        "attributes": listing(thing({**_ATTRIBUTE, "subAttributes?": listing(thing(_ATTRIBUTE))})),
    }
)
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


def _resources(what: str, body: Schema, resource: Schema) -> dict[str, Operation]:
    written = (409, 412, 413, 415)
    return {
        "index": _operation(f"{what}s, page by page", {200: _list(resource)}, (412,), query={**_PAGE, **_SHOWN}),
        "search": _operation(f"{what}s, asked for in a body", {200: _list(resource)}, written, body=_SEARCH),
        "create": _operation(f"Take a {what.lower()} in", {201: resource}, written, body=body, query=_SHOWN),
        "retrieve": _operation(f"One {what.lower()}", {200: resource}, (412,), query=_SHOWN),
        "replace": _operation(f"A {what.lower()} as it shall be", {200: resource}, written, body=body, query=_SHOWN),
        "partial_update": _operation(f"Change a {what.lower()}", {200: resource, 204: None}, written, body=_PATCH, query=_SHOWN),
        "destroy": _operation(f"Let a {what.lower()} go", {204: None}, (409, 412)),
    }


_DISCOVERY = {
    "service_provider_config": _operation("What is served of SCIM", {200: _CONFIG}, ()),
    "resource_types": _operation("Which resources there are", {200: _list(_TYPE)}, ()),
    "resource_type": _operation("One resource type", {200: _TYPE}, ()),
    "list_schemas": _operation("Which attributes there are", {200: _list(_SCHEMA)}, ()),
    "show_schema": _operation("One schema", {200: _SCHEMA}, ()),
}

OPERATIONS: dict[tuple[str, str], Operation | None] = {
    **{("UsersViewSet", action): operation for action, operation in _resources("User", _USER, _USER_RESOURCE).items()},
    **{("GroupsViewSet", action): operation for action, operation in _resources("Group", _GROUP, _GROUP_RESOURCE).items()},
    **{("DiscoveryViewSet", action): operation for action, operation in _DISCOVERY.items()},
    ("UnservedViewSet", "refuse"): None,
    ("UnknownAddressViewSet", "refuse"): None,
}
"""By view and action; None for addresses that only say that they are not served."""
