"""What OpenAPI is told of the endpoints about people, keys, tokens and second factors."""

from internal_api.openapi import FLAG, NUMBER, TEXT, Operation, Schema, listing, one_of, or_null, thing

_ID: Schema = {"anyOf": [NUMBER, TEXT, {"type": "null"}]}
_WHO: dict[str, Schema] = {"key_id?": _ID, "user_id?": _ID, "username?": or_null(TEXT), "krb5principal?": or_null(TEXT)}
_REFUSED = thing({"success": one_of(False), "message?": TEXT})
_KEY = thing(
    {
        "id": NUMBER,
        "title": TEXT,
        "created_at": TEXT,
        "expires_at": or_null(TEXT),
        "key": TEXT,
        "usage_type": one_of("auth", "auth_and_signing"),
    }
)


def _command(summary: str, answer: Schema, **parameters: Schema) -> Operation:
    """A command over SSH: refusals are told with status 200."""
    return Operation(summary, {200: {"anyOf": [answer, _REFUSED]}}, body=thing({**_WHO, **parameters}, closed=False))


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("AuthorizedKeysViewSet", "retrieve"): Operation("Which key is this?", {200: _KEY}, query={"key": TEXT}, errors=(404,)),
    ("DiscoverViewSet", "retrieve"): Operation(
        "Whom to greet",
        {200: or_null(thing({"id": NUMBER, "name": TEXT, "username": TEXT}))},
        query={"key_id?": TEXT, "user_id?": TEXT, "username?": TEXT, "krb5principal?": TEXT},
    ),
    ("PersonalAccessTokenViewSet", "create"): _command(
        "A personal access token",
        thing({"success": one_of(True), "token": TEXT, "scopes": listing(TEXT), "expires_at": or_null(TEXT)}),
        **{"name?": or_null(TEXT), "scopes?": {"anyOf": [listing(TEXT), TEXT, {"type": "null"}]}, "expires_at?": or_null(TEXT)},
    ),
    ("RecoveryCodesViewSet", "create"): _command(
        "Ten new recovery codes", thing({"success": one_of(True), "recovery_codes": listing(TEXT)})
    ),
    ("TwoFactorConfigViewSet", "create"): _command(
        "Has somebody a second factor?", thing({"success": one_of(True), "two_factor_required": FLAG})
    ),
    ("ManualOTPCheckViewSet", "create"): _command(
        "A one-time password that somebody has typed", thing({"success": one_of(True)}), **{"otp_attempt?": or_null(TEXT)}
    ),
    ("PushOTPCheckViewSet", "create"): _command("A second factor by push; there is none", thing({"success": one_of(True)})),
}
"""By view and action."""
