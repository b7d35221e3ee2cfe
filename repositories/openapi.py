"""What OpenAPI is told of the endpoints about repositories."""

from internal_api.openapi import FLAG, NUMBER, TEXT, Operation, Schema, listing, one_of, or_null, thing

_ID: Schema = {"anyOf": [NUMBER, TEXT, {"type": "null"}]}
_MAYBE: Schema = or_null(TEXT)
ACTOR: dict[str, Schema] = {"key_id?": _ID, "user_id?": _ID, "username?": _MAYBE, "krb5principal?": _MAYBE, "identifier?": _MAYBE}
_CONTAINER: dict[str, Schema] = {"project?": _MAYBE, "gl_repository?": _MAYBE}
_CONTEXT: dict[str, Schema] = {"gitaly_client_context_bin?": {**_MAYBE, "description": "base64 of a JSON object"}}
_REFUSAL = thing({"status?": FLAG, "message": TEXT})
REPOSITORY = thing(
    {
        "storage_name": TEXT,
        "relative_path": TEXT,
        "git_object_directory": TEXT,
        "git_alternate_object_directories": listing(TEXT),
        "gl_repository": TEXT,
        "gl_project_path": TEXT,
    }
)
_GRANTED = thing(
    {
        "status": one_of(True),
        "gl_repository": TEXT,
        "gl_project_path": TEXT,
        "gl_project_id": NUMBER,
        "gl_root_namespace_id": NUMBER,
        "gl_id": TEXT,
        "gl_username?": TEXT,
        "gl_key_type?": TEXT,
        "gl_key_id?": NUMBER,
        "git_config_options": listing(TEXT),
        "gitaly": thing(
            {
                "repository": REPOSITORY,
                "address": TEXT,
                "token": or_null(TEXT),
                "features": {"type": "object", "additionalProperties": TEXT},
            }
        ),
        "gl_console_messages": listing(TEXT),
        "need_audit": FLAG,
    }
)
_ALLOWED = thing(
    {
        **ACTOR,
        **_CONTAINER,
        **_CONTEXT,
        "action": {"type": "string", "examples": ["git-upload-pack", "git-receive-pack"]},
        "protocol": {"type": "string", "examples": ["ssh", "http", "web"]},
        "changes?": {
            "anyOf": [TEXT, listing(TEXT), {"type": "null"}],
            "description": "`_any`, or lines of old revision, new revision, ref",
        },
        "check_ip?": _MAYBE,
        "namespace_path?": _MAYBE,
        "env?": {**_MAYBE, "description": "JSON with the directories of the quarantine"},
        "relative_path?": _MAYBE,
    },
    closed=False,
)
_COUNTER_UP = thing({"reference_counter_increased": FLAG})
_MESSAGE = thing({"message": TEXT, "type": one_of("basic", "alert")})
_OPERATION = {
    "protocol": TEXT,
    "action": TEXT,
    "verb": one_of("clone", "pull", "push"),
    "written_bytes?": NUMBER,
    "received_bytes?": NUMBER,
    "gl_key_type?": one_of("key", "deploy_key"),
    "gl_key_id?": NUMBER,
}
_AUDITED = thing({"status": one_of(True), "message": thing(_OPERATION)})
_NOT_AUDITED = thing({"status": one_of(False), "message": TEXT})
_STATS = thing({"wants?": NUMBER, "haves?": NUMBER}, closed=False)

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("AllowedViewSet", "create"): Operation(
        "May this actor run this Git command on this repository?",
        {200: _GRANTED, 401: _REFUSAL, 404: _REFUSAL, 422: _REFUSAL},
        body=_ALLOWED,
        errors=(429,),
    ),
    ("PreReceiveViewSet", "create"): Operation(
        "A push begins", {200: _COUNTER_UP}, body=thing({"gl_repository": TEXT, **_CONTEXT}, closed=False)
    ),
    ("PostReceiveViewSet", "create"): Operation(
        "A push has happened",
        {200: thing({"messages": listing(_MESSAGE), "reference_counter_decreased": FLAG})},
        body=thing(
            {"gl_repository": TEXT, "identifier": TEXT, "changes": TEXT, "push_options?": or_null(listing(TEXT)), **_CONTEXT}, closed=False
        ),
    ),
    ("AuthorizedCertsViewSet", "retrieve"): Operation(
        "Whom does a certificate of this authority name?",
        {200: thing({"success": one_of(True), "namespace": TEXT, "username": TEXT})},
        query={"key": TEXT, "user_identifier": TEXT},
        errors=(403, 404),
    ),
    ("LFSAuthenticateViewSet", "create"): Operation(
        "Credentials for Git LFS",
        {200: thing({"username": TEXT, "lfs_token": TEXT, "repository_http_path": TEXT, "expires_in": NUMBER})},
        body=thing({**ACTOR, **_CONTAINER, **_CONTEXT, "operation?": _MAYBE}, closed=False),
        errors=(403, 404),
    ),
    ("LFSTokenVerifyViewSet", "create"): Operation(
        "What are these credentials for Git LFS good for?",
        {200: thing({"valid": FLAG, "operations?": listing(one_of("download", "upload")), "gl_id?": TEXT})},
        body=thing({"username": TEXT, "token": TEXT, **_CONTAINER, "check_ip?": _MAYBE}, closed=False),
    ),
    ("GitAuditEventViewSet", "create"): Operation(
        "A command has run",
        {200: {"anyOf": [_AUDITED, _NOT_AUDITED]}},
        body=thing(
            {
                **ACTOR,
                "action": TEXT,
                "protocol": TEXT,
                "gl_repository": TEXT,
                "changes": TEXT,
                "check_ip?": _MAYBE,
                "packfile_stats?": or_null(_STATS),
                "written_bytes?": or_null(NUMBER),
                "received_bytes?": or_null(NUMBER),
                "namespace_path?": _MAYBE,
            },
            closed=False,
        ),
    ),
    ("ErrorTrackingViewSet", "create"): Operation(
        "May this key report errors of this project?",
        {200: thing({"enabled": FLAG})},
        body=thing({"project_id": {"anyOf": [NUMBER, TEXT]}, "public_key": TEXT}, closed=False),
        errors=(404, 422),
    ),
}
"""By view and action."""
