"""Showing a personal access token (contract: shell-endpoints 14.1, kubernetes-agent 2.4)."""

from collections.abc import Collection
from datetime import timedelta

from django.utils import timezone

from accounts.models import PersonalAccessToken
from internal_api.bookkeeping import best_effort
from internal_api.digests import token_digest
from internal_api.oauth_errors import InsufficientScopeError, InvalidTokenError
from internal_api.stored_values import is_readable

_EXPIRED = "Token is expired. You can either do re-authorization or token refresh."
_REVOKED = "Token was revoked. You have to re-authorize from the user."


def use_token(clear: str, scopes: Collection[str]) -> PersonalAccessToken | None:
    """The token, with its user, if it has one of the scopes; None for an unknown one. Its use is written down at most once a day.

    Raises InvalidTokenError for an expired or revoked one, InsufficientScopeError.
    """
    token = PersonalAccessToken.objects.select_related("user").filter(token_digest=token_digest(clear)).first() if clear else None
    if token is None:
        return None
    if token.expires_at is not None and token.expires_at <= timezone.now().date():
        raise InvalidTokenError(_EXPIRED)
    if token.revoked:
        raise InvalidTokenError(_REVOKED)
    if not is_readable(token, "scopes") or not set(scopes) & set(token.scopes):
        raise InsufficientScopeError(" ".join(scopes))
    _record_use(token)
    return token


def _record_use(token: PersonalAccessToken) -> None:
    if token.last_used_at is None or token.last_used_at <= timezone.now() - timedelta(days=1):
        record_token_use(token.pk)


def record_token_use(token_id: int) -> None:
    """A token was used; callers write it down at most once a day."""
    with best_effort("The use of a token"):
        PersonalAccessToken.objects.filter(pk=token_id).update(last_used_at=timezone.now())
