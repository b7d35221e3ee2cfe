"""What OpenAPI is told of Git over HTTP: GitLab Workhorse's own call; the rest is Git's protocol (docs/git-over-https.md)."""

from internal_api.openapi import TEXT, Operation, one_of, thing

OPERATIONS: dict[tuple[str, str], Operation | None] = {
    ("GeoProxyViewSet", "retrieve"): Operation("Is there a Geo primary?", {200: thing({"geo_enabled": one_of(False)})}, errors=(403,)),
    ("AuthorizeUploadViewSet", "update"): None,
    ("BatchViewSet", "create"): None,
    ("DeprecatedViewSet", "refuse"): None,
    ("InternalLFSViewSet", "retrieve"): Operation(
        "The bytes of an LFS object of a project, for Gitaly's archives",
        {200: {"type": "string", "format": "binary"}, 206: {"type": "string", "format": "binary"}},
        {"oid": TEXT, "gl_repository": TEXT},
        errors=(404,),
        media_types={200: "application/octet-stream", 206: "application/octet-stream"},
    ),
    ("LocksViewSet", "create"): None,
    ("LocksViewSet", "list"): None,
    ("ObjectViewSet", "retrieve"): None,
    ("ObjectViewSet", "update"): None,
    ("UnlockViewSet", "create"): None,
    ("VerifyLocksViewSet", "create"): None,
    ("InfoRefsViewSet", "retrieve"): None,
    ("InfoRefsViewSet", "head"): None,
    ("PackViewSet", "upload"): None,
    ("PackViewSet", "receive"): None,
    ("SSHPackViewSet", "upload"): None,
    ("SSHPackViewSet", "receive"): None,
    ("UnknownViewSet", "missing"): None,
    ("RedirectViewSet", "retrieve"): None,
    ("RedirectViewSet", "missing"): None,
}
"""By view and action; None for what is no part of the API."""
