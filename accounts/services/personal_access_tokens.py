"""Making and revoking personal access tokens."""

import secrets
from collections.abc import Sequence
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.errors import InvalidTokenRequestError
from accounts.models import PersonalAccessToken, User
from accounts.models.personal_access_token import SCOPES
from accounts.services.users import first_sentence
from internal_api.digests import token_digest

PREFIX = "glpat-"


def generate_token() -> str:
    """A new token with 160 bits of chance."""
    return PREFIX + secrets.token_urlsafe(20)


def new_token(
    *, user: User, name: str, scopes: Sequence[str], expires_at: date | None, token: str | None = None, **fields: Any
) -> tuple[PersonalAccessToken, str]:
    """A token that is not saved yet, and its clear text. Raises InvalidTokenRequestError for an unknown scope."""
    unknown = next((scope for scope in scopes if scope not in SCOPES), None)
    if unknown is not None:
        raise InvalidTokenRequestError(f"There is no scope {unknown!r}.")
    clear = token or generate_token()
    row = PersonalAccessToken(user=user, name=name, scopes=list(scopes), expires_at=expires_at, token_digest=token_digest(clear), **fields)
    return row, clear


def create_token(
    *, user: User, name: str, scopes: Sequence[str], expires_at: date | None, token: str | None = None, **fields: Any
) -> tuple[PersonalAccessToken, str]:
    """A token and its clear text, which is not kept.

    Raises InvalidTokenRequestError for an unknown scope, a blank or too long name, or a taken token.
    """
    row, clear = new_token(user=user, name=name, scopes=scopes, expires_at=expires_at, token=token, **fields)
    try:
        row.clean_fields(exclude={"user", "scopes", "token_digest"})
        with transaction.atomic():
            row.save(force_insert=True)
    except ValidationError as error:
        raise InvalidTokenRequestError(f"The token is not accepted: {first_sentence(error)}") from error
    except IntegrityError as error:
        raise InvalidTokenRequestError("The token, or its id, is in use already.") from error
    return row, clear


def revoke(token: PersonalAccessToken) -> bool:
    """Make a token worthless at once; whether it was good for anything."""
    return PersonalAccessToken.objects.filter(pk=token.pk, revoked=False).update(revoked=True) > 0
