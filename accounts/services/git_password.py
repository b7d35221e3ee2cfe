"""Passwords of people who use Git over HTTP with them (contract: git-http 2.3 row 3)."""

import threading
from functools import lru_cache

from django.conf import settings

from accounts.models import User, UserType
from accounts.services.personal_access_tokens import PREFIX
from accounts.services.sign_in_lock import SignInsAreBusyError, one_hash_at_a_time
from internal_api.errors import UnavailableError

BUSY = "Too many sign-ins with a password at the moment. Try again in a moment, or use a personal access token."
TOKEN_PREFIXES = (PREFIX, "glagent-", "glsoat-", "gldt-", "glrt-", "glptt-", "glcbt-", "gloas-")
"""How tokens begin; such a text is never taken for a password, so that no stored hash is compared with it."""


@lru_cache(maxsize=1)
def _waiting() -> threading.BoundedSemaphore:
    """Places for those who wait for a password's hash: a quarter of the threads, so that strangers do not hold them all."""
    return threading.BoundedSemaphore(max(settings.WEB_THREADS // 4, 1))


def find_by_password(login: str, password: str) -> User | None:
    """Return the person whose username or primary e-mail address and password these are; None for nobody.

    People with a second factor need a token. A password is hashed whoever is named, so that every failure takes the same
    time. Whether the account may be used is not looked at. Raises UnavailableError while too many passwords are hashed.
    """
    if not login or "\x00" in login or password.startswith(TOKEN_PREFIXES):
        return None
    user = _named(login)
    is_right = _has_password(user, password)
    if user is None or not is_right or user.user_type != UserType.HUMAN or user.two_factor_enabled:
        return None
    return user


def _named(login: str) -> User | None:
    user: User | None = User.matching_username(login).first()
    if user is None and "@" in login:
        user = User.matching_email(login).first()
    return user


def _has_password(user: User | None, password: str) -> bool:
    waiting = _waiting()
    if not waiting.acquire(blocking=False):
        raise UnavailableError(BUSY)
    try:
        with one_hash_at_a_time():
            if user is not None and user.has_usable_password():
                return user.check_password(password)
            User().set_password(password)  # takes as long
            return False
    except SignInsAreBusyError:
        raise UnavailableError(BUSY) from None
    finally:
        waiting.release()
