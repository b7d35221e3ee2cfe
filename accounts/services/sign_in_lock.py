"""The lock of signing in to the admin site, and what slows strangers down (contract: decisions 14d).

It has nothing to do with Git: the lock of one-time passwords over SSH is `second_factor`'s.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from accounts.models import User
from internal_api.audit import record_event
from internal_api.peers import address_block, is_trusted
from internal_api.rate_limits import limit

logger = logging.getLogger(__name__)

MOST_FAILURES = 10
LOCK_LIFE = timedelta(minutes=10)
ATTEMPTS_A_MINUTE = 10
"""Sign-ins from one IP address (IPv6: from one /64)."""
TRUSTED_ATTEMPTS_A_MINUTE = 30
"""Sign-ins from an address that stands for many people, such as a proxy that names nobody."""
HASH_WAIT_SECONDS = 5.0
# A password costs half a second of CPU: one at a time in each process leaves the rest to Git.
_hashing = threading.BoundedSemaphore(1)


class SignInsAreBusyError(Exception):
    """Other sign-ins keep this process's one place for hashing a password."""


def limit_sign_ins(address: str) -> None:
    """Count one sign-in from an address, before anything is hashed. Raises TooManyRequestsError."""
    threshold = TRUSTED_ATTEMPTS_A_MINUTE if is_trusted(address) else ATTEMPTS_A_MINUTE
    limit("admin_sign_in", threshold, address_block(address) or "unix")


@contextmanager
def one_hash_at_a_time() -> Iterator[None]:
    """Hold this process's one place for hashing a password. Raises SignInsAreBusyError."""
    if not _hashing.acquire(timeout=HASH_WAIT_SECONDS):
        raise SignInsAreBusyError
    try:
        yield
    finally:
        _hashing.release()


def sign_in_is_locked(user: User) -> bool:
    """Return True while too many failed sign-ins keep the account out of the admin site."""
    return user.sign_in_locked_at is not None and user.sign_in_locked_at > timezone.now() - LOCK_LIFE


def record_failed_sign_in(user: User, *, method: str, ip_address: str) -> None:
    """Count a failure of an administrator, and lock sign-in after ten; no other account can sign in at all.

    While it is locked nothing is written: what strangers can make this service store is bounded.
    """
    if not (user.admin and user.has_usable_password()):
        return
    with transaction.atomic():
        locked: User = User.objects.select_for_update().get(pk=user.pk)
        if sign_in_is_locked(locked):
            return
        if locked.sign_in_locked_at is not None:
            locked.failed_sign_ins, locked.sign_in_locked_at = 0, None  # the lock is over
        locked.failed_sign_ins += 1
        if locked.failed_sign_ins >= MOST_FAILURES:
            locked.sign_in_locked_at = timezone.now()
        locked.save(update_fields=["failed_sign_ins", "sign_in_locked_at"])
        record_event(
            "authentication_failed",
            author_id=user.pk,
            author_name=user.username,
            entity_type="User",
            entity_id=user.pk,
            entity_path=user.username,
            ip_address=ip_address,
            details={"method": method, "failed_attempts": locked.failed_sign_ins},
        )
    fields = {"user_id": user.pk, "failed_attempts": locked.failed_sign_ins, "ip": ip_address, "method": method}
    logger.warning("Failed %s login", method, extra={"fields": fields})


def record_sign_in(user: User) -> None:
    """Count failed sign-ins from zero again; the row is locked by the caller's transaction."""
    if user.failed_sign_ins or user.sign_in_locked_at:
        user.failed_sign_ins, user.sign_in_locked_at = 0, None
        user.save(update_fields=["failed_sign_ins", "sign_in_locked_at"])
