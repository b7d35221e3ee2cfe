"""Storing SSH keys, and letting go of them."""

from collections.abc import Sequence
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.errors import InvalidKeyError
from accounts.models import KeyKind, SSHKey, User
from accounts.services.users import first_sentence, ghost_user
from accounts.ssh.public_key import InvalidPublicKeyError, PublicKey, parse_public_key
from accounts.ssh.weakness import compromise, site_problem
from internal_api.bookkeeping import best_effort
from internal_api.models import InstanceSettings
from internal_api.stored_values import validate_fields

Rules = Sequence[InstanceSettings | None]
"""Under which settings a key is judged, None for those of now; it is welcome when one of them welcomes it."""


def read_key(text: str, rules: Rules = (None,)) -> PublicKey:
    """A key that may be stored. Raises InvalidKeyError for a malformed, compromised or unwelcome one."""
    try:
        key = parse_public_key(text)
    except InvalidPublicKeyError as error:
        raise InvalidKeyError(str(error)) from error
    judged = [rule or InstanceSettings.current() for rule in rules]
    problems = [site_problem(key.key_type, key.bits, rule.allowed_key_types, rule.minimum_key_bits) for rule in judged]
    problem = problems[-1]
    if problem and all(problems):
        raise InvalidKeyError(f"The key's {problem}." if problem.startswith("type") else f"The key {problem}.")
    if refusal := compromise(key):
        raise InvalidKeyError(refusal)
    return key


def _row(key: PublicKey, **fields: object) -> SSHKey:
    return SSHKey(
        key=key.line, key_type=key.key_type, bits=key.bits, fingerprint=key.fingerprint, fingerprint_md5=key.fingerprint_md5, **fields
    )


def new_user_key(*, user: User, key: str, title: str = "", rules: Rules = (None,), **fields: object) -> SSHKey:
    """A person's key that is not saved yet, nor validated. Raises InvalidKeyError."""
    if user.ssh_keys_disabled:
        raise InvalidKeyError("SSH keys are disabled for this user")
    parsed = read_key(key, rules)
    return _row(parsed, user=user, title=title or parsed.comment or "key", **fields)


def create_keys(rows: Sequence[SSHKey]) -> None:
    """Insert new keys, all or none. Raises InvalidValueError, or IntegrityError for a key or an id that is in use."""
    for row in rows:
        validate_fields(row)
    SSHKey.objects.bulk_create(rows)


def _save(row: SSHKey, *, may_be_expired: bool) -> SSHKey:
    if not may_be_expired and row.expires_at is not None and row.expires_at <= timezone.now():
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
    *, user: User, key: str, title: str = "", rules: Rules = (None,), may_be_expired: bool = False, **fields: object
) -> SSHKey:
    """A person's key; `fields` are the model's own. Raises InvalidKeyError."""
    return _save(new_user_key(user=user, key=key, title=title, rules=rules, **fields), may_be_expired=may_be_expired)


def add_deploy_key(
    *, key: str, owner: User | None = None, title: str = "", rules: Rules = (None,), may_be_expired: bool = False, **fields: object
) -> SSHKey:
    """A key of programs. One without an owner acts as the ghost user, who is made now if need be. Raises InvalidKeyError."""
    row = new_deploy_key(key=key, owner=owner, title=title, rules=rules, **fields)
    if owner is None:
        ghost_user()
    return _save(row, may_be_expired=may_be_expired)


def create_deploy_keys(rows: Sequence[SSHKey]) -> None:
    """Insert new deploy keys, all or none. Raises InvalidValueError, or IntegrityError for a key or an id that is in use."""
    if any(row.user_id is None for row in rows):
        ghost_user()
    create_keys(rows)


def new_deploy_key(*, key: str, owner: User | None = None, title: str = "", rules: Rules = (None,), **fields: object) -> SSHKey:
    """A key of programs that is not saved yet, nor validated. Raises InvalidKeyError."""
    parsed = read_key(key, rules)
    return _row(parsed, user=owner, kind=KeyKind.DEPLOY, title=title or parsed.comment or "deploy key", **fields)


def record_key_use(key: SSHKey | None) -> None:
    """A key was used; written at most once a day."""
    now = timezone.now()
    if key is not None and (key.last_used_at is None or key.last_used_at <= now - timedelta(days=1)):
        with best_effort("The use of a key"):
            SSHKey.objects.filter(pk=key.pk).update(last_used_at=now)


def revoke_key(key: SSHKey) -> None:
    """Let a key open nothing from now on, and let it be forgotten."""
    key.delete()
