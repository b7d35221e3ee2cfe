"""Passwords of people who use Git over HTTP with them (contract: git-http 2.3 row 3)."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache

from django.conf import settings

from accounts.models import User, UserType
from accounts.services.personal_access_tokens import PREFIX
from accounts.services.remembered_passwords import remembered_passwords
from accounts.services.sign_in_lock import SignInsAreBusyError, one_hash_at_a_time
from internal_api.errors import UnavailableError
from internal_api.failed_attempts import FailedAttempts

BUSY = "Too many sign-ins with a password at the moment. Try again in a moment, or use a personal access token."
TOKEN_PREFIXES = (PREFIX, "glagent-", "glsoat-", "gldt-", "glrt-", "glptt-", "glcbt-", "gloas-")
"""How tokens begin; such a text is never taken for a password, so that no stored hash is compared with it."""


class WrongPasswordError(Exception):
    """Nobody signs in with this name and password; the failure is counted."""


class AddressIsBannedError(Exception):
    """The address was banned while the password waited for its turn to be hashed."""


@dataclass(frozen=True, slots=True)
class PasswordSignIn:
    """A user whose password was right; `proof` stands for it where it was hashed just now."""

    user_id: int
    proof: bytes | None = field(default=None, repr=False)

    def remember(self) -> None:
        """Let the same password be right for a while without being hashed; called once the account is known to be open."""
        if self.proof is not None:
            remembered_passwords().add(self.proof)


@lru_cache(maxsize=1)
def _waiting() -> threading.BoundedSemaphore:
    """Places for those who wait for a password's hash: a quarter of the threads, so that strangers do not hold them all."""
    return threading.BoundedSemaphore(max(settings.WEB_THREADS // 4, 1))


def find_by_password(login: str, password: str, attempts: FailedAttempts) -> PasswordSignIn:
    """Return whose username or primary e-mail address and password these are.

    People with a second factor need a token. A password is hashed whoever is named, so that every failure takes the same
    time. Whether the account may be used is not looked at. Raises WrongPasswordError, AddressIsBannedError, and
    UnavailableError while too many passwords are hashed.
    """
    if not login or "\x00" in login or password.startswith(TOKEN_PREFIXES):
        attempts.count()
        raise WrongPasswordError
    user = _named(login)
    proof = None if user is None else _proof(user, password)
    if user is not None and proof is not None and proof in remembered_passwords():
        return PasswordSignIn(user.pk)
    with _turn(attempts):
        # Counted before the next has its turn: guesses that are sent at once are no more than those sent one by one.
        if not _has_password(user, password) or user is None or proof is None:
            attempts.count()
            raise WrongPasswordError
    return PasswordSignIn(user.pk, proof)


def _proof(user: User, password: str) -> bytes | None:
    """Return what stands for the password while it is remembered; None for a user who needs a token."""
    if user.user_type != UserType.HUMAN or user.two_factor_enabled or not user.has_usable_password():
        return None
    return remembered_passwords().proof(user, password)


def _named(login: str) -> User | None:
    user: User | None = User.matching_username(login).first()
    if user is None and "@" in login:
        user = User.matching_email(login).first()
    return user


@contextmanager
def _turn(attempts: FailedAttempts) -> Iterator[None]:
    """Wait for this process's one place for hashing. Raises AddressIsBannedError and UnavailableError."""
    waiting = _waiting()
    if not waiting.acquire(blocking=False):
        raise UnavailableError(BUSY)
    try:
        with one_hash_at_a_time():
            if attempts.is_banned:
                raise AddressIsBannedError
            yield
    except SignInsAreBusyError:
        raise UnavailableError(BUSY) from None
    finally:
        waiting.release()


def _has_password(user: User | None, password: str) -> bool:
    if user is not None and user.has_usable_password():
        return user.check_password(password)
    User().set_password(password)  # takes as long
    return False
