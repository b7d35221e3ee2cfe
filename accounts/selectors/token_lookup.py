"""One query for a personal access token: by its digest, with what else Git over HTTP has to know before it decides."""

from collections.abc import Collection
from dataclasses import dataclass
from functools import cache

from accounts.models import PersonalAccessToken
from internal_api.digests import token_digest
from internal_api.failed_attempts import COLUMNS, FailedAttempts
from internal_api.instance import VERSION_SQL, settings_of_version
from internal_api.json_input import InvalidJSONError, decode_stored
from internal_api.models import InstanceSettings
from internal_api.statements import clock, fetch_row
from internal_api.stored_values import report_unreadable

_TOKEN_COLUMNS = (
    "t.id",  # NULL when there is no such token
    "t.user_id",
    "t.scopes",
    "t.revoked OR COALESCE(t.expires_at <= %(today)s, FALSE)",  # its last day counts as past
    "t.last_used_at IS NULL OR t.last_used_at <= %(a_day_ago)s",  # the use is written down once a day
)


@dataclass(frozen=True, slots=True)
class FoundToken:
    """A token as it is stored. `is_over`: revoked or expired. `use_is_old`: its use is to be written down again."""

    id: int
    user_id: int
    scopes: frozenset[str]
    is_over: bool
    use_is_old: bool


@dataclass(frozen=True, slots=True)
class TokenLookup:
    """What the query found: the instance's settings, the state of the client's address, and the token if there is one."""

    settings: InstanceSettings
    is_banned: bool
    has_failed: bool
    token: FoundToken | None


@cache
def _sql(*, with_attempts: bool) -> str:
    columns = ", ".join([VERSION_SQL, *_TOKEN_COLUMNS, COLUMNS if with_attempts else "FALSE, FALSE"])
    return f"SELECT {columns} FROM (SELECT 1) always LEFT JOIN accounts_personalaccesstoken t ON t.token_digest = %(digest)s"


def look_up_token(clear: str, attempts: FailedAttempts) -> TokenLookup:
    """Return what is known of a token and of the address it came from; one query."""
    in_database = attempts.is_in_database
    times = clock()
    params = {name: times[name] for name in ("today", "a_day_ago")} | {"digest": token_digest(clear)}
    if in_database:
        params |= {**attempts.parameters, "now": times["now"]}
    row = fetch_row(_sql(with_attempts=in_database), params)
    if row is None:
        raise LookupError("The query has a row whatever it finds.")
    version, token_id, user_id, scopes, is_over, use_is_old, is_banned, has_failed = row
    if not in_database:
        is_banned, has_failed = attempts.state()
    token = None
    if token_id is not None:
        token = FoundToken(token_id, user_id, _readable_scopes(scopes, token_id), bool(is_over), bool(use_is_old))
    return TokenLookup(settings_of_version(version), bool(is_banned), bool(has_failed), token)


def _readable_scopes(value: str | Collection[str], token_id: int) -> frozenset[str]:
    """Return the scopes, which raw SQL returns as JSON or decoded; none when they cannot be read."""
    try:
        scopes = decode_stored(value) if isinstance(value, str) else value
    except InvalidJSONError:
        scopes = None
    if not isinstance(scopes, list) or any(not isinstance(scope, str) for scope in scopes):
        report_unreadable(PersonalAccessToken._meta.db_table, "scopes", token_id)  # noqa: SLF001  Django's public name for it
        return frozenset()
    return frozenset(scopes)
