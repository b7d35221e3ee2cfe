"""What OpenAPI is told of exclusions from storage limits."""

from internal_api.openapi import NUMBER, TEXT, Operation, listing, or_null, thing

_EXCLUSION = thing({"id": NUMBER, "namespace_id": NUMBER, "namespace_name": TEXT, "reason": TEXT})

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("LimitExclusionViewSet", "index"): Operation(
        "Who is excluded",
        {200: listing(_EXCLUSION)},
        query={"page?": {"type": "integer", "minimum": 1}, "per_page?": {"type": "integer", "minimum": 1}},
        errors=(403,),
    ),
    ("LimitExclusionViewSet", "create"): Operation(
        "Exclude a namespace", {201: _EXCLUSION}, body=thing({"reason": or_null(TEXT)}, closed=False), errors=(403, 404)
    ),
    ("LimitExclusionViewSet", "destroy"): Operation("Limit a namespace again", {204: None}, errors=(403, 404)),
}
"""By view and action."""
