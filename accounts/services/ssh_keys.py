"""Storing SSH keys, and letting go of them."""

from datetime import datetime

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import InvalidKeyError
from accounts.models import KeyKind, SSHKey, UsageType, User
from accounts.services.users import first_sentence, ghost_user
from accounts.ssh.public_key import InvalidPublicKeyError, PublicKey, parse_public_key
from accounts.ssh.weakness import compromise, site_problem
from internal_api.models import InstanceSettings


def read_key(text: str) -> PublicKey:
    """A key that may be stored. Raises InvalidKeyError for a malformed, compromised or unwelcome one."""
    try:
        key = parse_public_key(text)
    except InvalidPublicKeyError as error:
        raise InvalidKeyError(str(error)) from error
    settings = InstanceSettings.current()
    problem = site_problem(key.key_type, key.bits, settings.allowed_key_types, settings.minimum_key_bits)
    if problem:
        raise InvalidKeyError(f"The key's {problem}." if problem.startswith("type") else f"The key {problem}.")
    if refusal := compromise(key):
        raise InvalidKeyError(refusal)
    return key


def _row(key: PublicKey, **fields: object) -> SSHKey:
    return SSHKey(
        key=key.line, key_type=key.key_type, bits=key.bits, fingerprint=key.fingerprint, fingerprint_md5=key.fingerprint_md5, **fields
    )


def _save(row: SSHKey) -> SSHKey:
    if row.expires_at is not None and row.expires_at <= timezone.now():
        raise InvalidKeyError("The key has expired already.")
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
        with transaction.atomic():
            row.save(force_insert=True)
    except ValidationError as error:
        raise InvalidKeyError(f"The key is not accepted: {first_sentence(error)}") from error
    except IntegrityError as error:
        raise InvalidKeyError("The key, or its id, is in use already.") from error
    return row


def add_user_key(
    *,
    user: User,
    key: str,
    title: str = "",
    usage_type: str = UsageType.AUTH_AND_SIGNING,
    expires_at: datetime | None = None,
    **fields: object,
) -> SSHKey:
    """A person's key. Raises InvalidKeyError."""
    parsed = read_key(key)
    return _save(_row(parsed, user=user, title=title or parsed.comment or "key", usage_type=usage_type, expires_at=expires_at, **fields))


def add_deploy_key(*, key: str, title: str = "", owner: User | None = None, expires_at: datetime | None = None, **fields: object) -> SSHKey:
    """A key of programs. One without an owner acts as the ghost user, who is made now if need be. Raises InvalidKeyError."""
    parsed = read_key(key)
    if owner is None:
        ghost_user()
    return _save(
        _row(parsed, user=owner, kind=KeyKind.DEPLOY, title=title or parsed.comment or "deploy key", expires_at=expires_at, **fields)
    )


def revoke_key(key: SSHKey) -> None:
    """Let a key open nothing from now on, and let it be forgotten."""
    key.delete()
