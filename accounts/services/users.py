"""Making users and changing their state."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models.signals import pre_delete
from django.dispatch import receiver

from accounts.errors import InvalidAccountError
from accounts.models import BLOCKED_STATES, BlockedBy, ExtraEmail, KeyKind, User, UserState, UserType, default_blocker
from accounts.signals import users_created
from internal_api.stored_values import validate_fields

GHOST_USERNAME = "ghost"


def first_sentence(error: ValidationError) -> str:
    """The first of a model's complaints, with the field it is about."""
    for field, complaints in error.message_dict.items():
        return f"{field}: {complaints[0]}" if field != "__all__" else str(complaints[0])
    return "It is not valid."


def set_password(user: User, password: str) -> None:
    """Give the user a password that the validators accept; the caller saves. Raises InvalidAccountError."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        raise InvalidAccountError(f"The password of {user.username!r} is not accepted: {' '.join(error.messages)}") from error
    user.set_password(password)


def new_user(*, username: str, email: str, name: str = "", password: str | None = None, **fields: Any) -> User:
    """A user that is not saved yet. Raises InvalidAccountError for a password that is not accepted."""
    user = User(username=username, email=email, name=name or username, **fields)
    if password:
        set_password(user, password)
    else:
        user.set_unusable_password()
    return user


def create_users(users: Sequence[User]) -> None:
    """Insert new users with their personal namespaces, all or none, with a fixed number of statements.

    Raises InvalidValueError, or IntegrityError for a name, address or id that is taken.
    """
    for user in users:
        validate_fields(user)
    with transaction.atomic():
        User.objects.bulk_create(users)
        users_created.send(sender=User, users=users)


def create_user(*, username: str, email: str, name: str = "", password: str | None = None, **fields: Any) -> User:
    """A new user, with a personal namespace made in the same transaction. Raises InvalidAccountError."""
    user = new_user(username=username, email=email, name=name, password=password, **fields)
    try:
        user.full_clean()
        with transaction.atomic():
            user.save(force_insert=True)
            users_created.send(sender=User, users=[user])
    except ValidationError as error:
        raise InvalidAccountError(f"User {username!r} is not accepted: {first_sentence(error)}") from error
    except IntegrityError as error:
        raise InvalidAccountError(f"User {username!r} is not accepted: the name, the address or the id is taken.") from error
    return user


def change_user(user: User, password: str | None = None, **fields: Any) -> bool:
    """Set what differs; whether anything did. Raises InvalidAccountError."""
    changed = {name: value for name, value in fields.items() if getattr(user, name) != value}
    for name, value in changed.items():
        setattr(user, name, value)
    if password and not user.check_password(password):
        set_password(user, password)
        changed["password"] = user.password
    if not changed:
        return False
    try:
        user.full_clean()
        with transaction.atomic():
            user.save(update_fields=[*changed, "blocked_by", "updated_at"])
    except ValidationError as error:
        raise InvalidAccountError(f"User {user.username!r} cannot be changed: {first_sentence(error)}") from error
    except IntegrityError as error:
        raise InvalidAccountError(f"User {user.username!r} cannot be changed: the name or the address is taken.") from error
    return True


def set_extra_emails(user: User, emails: list[str]) -> bool:
    """Make these the user's further addresses; whether anything changed. Raises InvalidAccountError when one is somebody else's."""
    present = {extra.email for extra in user.extra_emails.all()}
    if present == set(emails):
        return False
    try:
        with transaction.atomic():
            user.extra_emails.exclude(email__in=emails).delete()
            for email in sorted(set(emails) - present):
                extra = ExtraEmail(user=user, email=email)
                extra.full_clean()
                extra.save()
    except (ValidationError, IntegrityError) as error:
        raise InvalidAccountError(f"The addresses of {user.username!r} are not accepted: one is malformed or taken.") from error
    return True


@dataclass(frozen=True, slots=True)
class AccountState:
    """The state of an account and who set it, if it is blocked."""

    state: str
    blocked_by: str

    @classmethod
    def of(cls, user: User) -> "AccountState":
        """Return the state of the user as read."""
        is_blocked = user.state in BLOCKED_STATES
        return cls(user.state, user.blocked_by or default_blocker(user.state) if is_blocked else "")


def block(user: User, *, by: BlockedBy = BlockedBy.ADMINISTRATOR) -> bool:
    """Block the user; return whether anything changed.

    An administrator blocks whoever it is, and takes over a block that SCIM or LDAP set. Anybody else blocks active users only, so
    that no stronger state is replaced by one that SCIM can lift.
    """
    with transaction.atomic():
        locked = _locked(user)
        if by != BlockedBy.ADMINISTRATOR and locked.state != UserState.ACTIVE:
            return _same_as(user, locked)
        return _set_state(user, locked, AccountState(UserState.BLOCKED, by))


def unblock(user: User, *, by: BlockedBy = BlockedBy.ADMINISTRATOR) -> bool:
    """Make the user active again; return whether anything changed.

    An administrator lifts whatever kept the user out; SCIM only a block that SCIM set (contract: decisions 22).
    """
    with transaction.atomic():
        locked = _locked(user)
        if by != BlockedBy.ADMINISTRATOR and (locked.state != UserState.BLOCKED or locked.blocked_by != by):
            return _same_as(user, locked)
        return _set_state(user, locked, AccountState(UserState.ACTIVE, ""))


def _locked(user: User) -> User:
    """Return the user as stored now, locked until the caller's transaction ends: a stale copy decides nothing."""
    locked: User = User.objects.select_for_update().get(pk=user.pk)
    return locked


def _same_as(user: User, locked: User) -> bool:
    user.state, user.blocked_by = locked.state, locked.blocked_by
    return False


def _set_state(user: User, locked: User, wanted: AccountState) -> bool:
    if AccountState.of(locked) == wanted:
        return _same_as(user, locked)
    user.state, user.blocked_by = wanted.state, wanted.blocked_by
    user.save(update_fields=["state", "blocked_by", "updated_at"])
    return True


def ghost_user() -> User:
    """Who acts for what belongs to nobody; made when it is first needed (contract: decisions 10)."""
    ghost = User.objects.filter(user_type=UserType.GHOST).first()
    if ghost is None:
        username = GHOST_USERNAME if not User.matching_username(GHOST_USERNAME).exists() else f"{GHOST_USERNAME}-{User.objects.count()}"
        ghost = create_user(username=username, email=f"{username}@localhost.invalid", name="Ghost User", user_type=UserType.GHOST)
    return ghost


@receiver(pre_delete, sender=User, dispatch_uid="accounts.ghost_user")
def make_ghost_user_for_deploy_keys(sender: object, instance: User, **kwargs: object) -> None:
    """Make the ghost user before the owner of a deploy key is deleted; the key acts as it from then on."""
    if instance.ssh_keys.filter(kind=KeyKind.DEPLOY).exists():
        ghost_user()
