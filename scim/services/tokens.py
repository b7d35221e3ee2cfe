"""Tokens of scopes: one each, shown once, rotated without a gap (contract: scim 1.1)."""

import secrets
from datetime import timedelta

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from internal_api.bookkeeping import best_effort
from internal_api.digests import token_digest
from internal_api.errors import UnprocessableError
from repositories.models import Namespace
from scim.models import SCIMToken, Scope

PREFIX = "glsoat-"
_USE_WRITTEN_EVERY = timedelta(hours=1)


class InvalidSCIMTokenError(UnprocessableError):
    """A token that cannot be made as asked."""


def scope_of(group: Namespace | None) -> Scope:
    """The scope of a group, or of the instance; made when it is first needed."""
    return Scope.objects.get_or_create(group=group)[0]


def rotate_token(group: Namespace | None, *, token: str | None = None, now: bool = False) -> tuple[SCIMToken, str]:
    """Return a new token and its clear text, which is shown this once.

    The former token stays valid for `settings.SCIM_TOKEN_GRACE` seconds, or with `now` for none: for one that has leaked.

    Raises InvalidSCIMTokenError for a subgroup, or a token that is in use.
    """
    if group is not None and (not group.is_group or group.parent_id is not None):
        raise InvalidSCIMTokenError("SCIM is for top-level groups.")
    clear = token or PREFIX + secrets.token_urlsafe(32)
    moment = timezone.now()
    try:
        with transaction.atomic():
            scope = Scope.objects.select_for_update().get(pk=scope_of(group).pk)
            row = SCIMToken.objects.filter(scope=scope).first()
            if row is None:
                row = SCIMToken.objects.create(scope=scope, token_digest=token_digest(clear))
            else:
                former, row.token_digest = row.token_digest, token_digest(clear)
                row.previous_digest = "" if now else former
                row.previous_expires_at = None if now else moment + timedelta(seconds=settings.SCIM_TOKEN_GRACE)
                row.rotated_at = moment
                row.save()
    except IntegrityError as error:
        raise InvalidSCIMTokenError("The token is in use already.") from error
    return row, clear


def record_token_use(token: SCIMToken) -> None:
    """A token was shown; written about once an hour."""
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at <= now - _USE_WRITTEN_EVERY:
        with best_effort("The use of a SCIM token"):
            SCIMToken.objects.filter(pk=token.pk).update(last_used_at=now)
