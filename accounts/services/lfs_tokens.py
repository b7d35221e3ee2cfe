"""Tokens for LFS over HTTP, bound to an actor, a repository and the actor's present credentials (contract: shell-endpoints 2).

The signing key is made from what the actor signs in with, so a token dies with a changed password or a replaced key; a token
got with a person's key names the key, and dies with it too.
"""

import re
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import jwt
from django.conf import settings
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.models import KeyKind, SSHKey, User
from accounts.selectors.acting_accounts import ActingAccount, find_acting_account
from accounts.selectors.actors import ActorKind, ActorReference
from internal_api.parameters import LARGEST_ID
from internal_api.text import ascii_lower

LEEWAY = 60  # seconds
DOWNLOAD = "download"
"""The claim of tokens that are good for downloads only (contract: git-http LD6)."""
_DEPLOY_KEY = re.compile(r"lfs\+deploy-key-(\d{1,19})", re.ASCII)


@dataclass(frozen=True, slots=True)
class LFSTokenHolder:
    """Who acts with a token, and whether it is good for uploads: one that was got with a read-only token is not (git-http LD6).

    `may_renew`: the token may be changed for a later one. Those of a batch may not: else they would outlive what they were got with.
    """

    who: ActorReference
    may_upload: bool = True
    may_renew: bool = True


def lfs_username(account: ActingAccount) -> str:
    """The name that goes with the token: the user's, or one made for a deploy key."""
    if account.is_deploy_key:
        return f"lfs+deploy-key-{account.key_id}"
    if account.user is None:
        raise LookupError("Nobody gets no token.")
    return account.user.username


def _material(account: ActingAccount) -> str:
    if account.key is not None and account.is_deploy_key:
        return f"deploy key {account.key.pk} {account.key.fingerprint}"
    if account.user is None:
        raise LookupError("Nobody gets no token.")
    return f"user {account.user.pk} {account.user.password}"


def _secrets(account: ActingAccount) -> Iterator[bytes]:
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        yield salted_hmac("accounts.lfs_token", _material(account), secret=secret, algorithm="sha256").digest()


def issue_lfs_token(account: ActingAccount, container: str | None, *, may_upload: bool = True, may_renew: bool = True) -> str:
    """A token that is good for `settings.LFS_TOKEN_TTL` seconds; `container` is the repository's global id."""
    now = int(time.time())
    data: dict[str, Any] = {"actor": lfs_username(account)} | ({"container_gid": container} if container else {})
    if account.key is not None and not account.is_deploy_key:
        data["key_id"] = account.key.pk
    if not may_upload:
        data["operation"] = DOWNLOAD
    if not may_renew:
        data["renewable"] = False
    claims = {"data": data, "jti": str(uuid.uuid4()), "iat": now, "nbf": now - 5, "exp": now + settings.LFS_TOKEN_TTL}
    return jwt.encode(claims, next(_secrets(account)), algorithm="HS256")


def identify_lfs_token(username: str, token: str, container: str | None) -> LFSTokenHolder | None:
    """Who acts with this pair of name and token at this repository; None when it is good for nothing.

    A token without a repository, or a question without one, is not held to it (contract: shell-endpoints 16.4 #52, #53).
    """
    account = _named(username)
    if account is None:
        return None
    data = next((data for secret in _secrets(account) if (data := _verified(token, secret)) is not None), None)
    if data is None or data.get("actor") != lfs_username(account):
        return None
    named = data.get("container_gid")
    if named is not None and container is not None and named != container:
        return None
    who = _actor(account, data.get("key_id"))
    if who is None:
        return None
    return LFSTokenHolder(who, may_upload=data.get("operation") != DOWNLOAD, may_renew=data.get("renewable", True) is True)


def has_token_shape(text: str) -> bool:
    """Whether a text has the shape of a JSON web token, which nobody has as a password."""
    return text.startswith("eyJ") and text.count(".") == 2  # noqa: PLR2004  between header, claims and signature


def was_issued(username: str, token: str) -> bool:
    """Return whether the token was signed for this login, be it over by now or for another repository: it is no guess then."""
    if not has_token_shape(token):
        return False
    account = _account(username)
    if account is None:
        return False
    verified = (_verified(token, secret, verify_times=False) for secret in _secrets(account))
    return any(data is not None and data.get("actor") == lfs_username(account) for data in verified)


def _named(username: str) -> ActingAccount | None:
    """The account of a login that may use its tokens at the moment."""
    account = _account(username)
    if account is None or account.is_deploy_key or account.user is None:
        return account
    return account if account.user.is_active and not account.user.password_expired else None


def _account(username: str) -> ActingAccount | None:
    match = _DEPLOY_KEY.fullmatch(username)
    if match is None:
        account = _account_of_person(username)
        return account if account.user is not None else None
    key_id = int(match[1])
    account = find_acting_account(ActorReference(ActorKind.KEY, key_id if key_id <= LARGEST_ID else 0))
    return account if account.is_deploy_key else None


def _account_of_person(login: str) -> ActingAccount:
    """The account of a username, or else of a primary e-mail address (contract: git-http 2.3 row 1)."""
    if "\x00" in login:
        return ActingAccount(None, None)
    account = find_acting_account(ActorReference(ActorKind.USERNAME, ascii_lower(login)))
    if account.user is None and "@" in login:
        return ActingAccount(None, User.matching_email(login).first())
    return account


def _verified(token: str, secret: bytes, *, verify_times: bool = True) -> dict[str, Any] | None:
    options: Any = {"require": ["exp"], "verify_aud": False, "verify_exp": verify_times}
    try:
        claims = jwt.decode(token, secret, algorithms=["HS256"], leeway=LEEWAY, options=options)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError):
        return None
    data = claims.get("data")
    return data if isinstance(data, dict) else None


def _actor(account: ActingAccount, key_id: Any) -> ActorReference | None:
    if account.key is not None:
        return ActorReference(ActorKind.KEY, account.key.pk)
    if account.user is None:
        return None
    if key_id is None:
        return ActorReference(ActorKind.USER, account.user.pk)
    good = SSHKey.objects.filter(pk=key_id, user=account.user, kind=KeyKind.USER).exclude(expires_at__lte=timezone.now())
    return ActorReference(ActorKind.KEY, key_id) if good.exists() else None
