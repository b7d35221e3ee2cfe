"""The second factor: enrolment, one-time passwords that work once, recovery codes, and the lock after too many failures.

Contract: shell-endpoints 7 and 9, decisions 14d and 15. This lock is Git's and the commands' over SSH; `sign_in_lock` has the admin site's.
"""

import hmac
import logging
import re
import secrets
import time
from datetime import timedelta

import pyotp
from django.conf import settings
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from accounts.errors import CommandRefusedError, InvalidAccountError
from accounts.models import RecoveryCode, User
from accounts.selectors.otp_sessions import OTP_SESSION_LIFE, otp_session_key
from internal_api.audit import record_event
from internal_api.errors import UnavailableError
from internal_api.shared_store import SharedStoreError, stores, went_without_redis
from internal_api.stored_values import is_readable

logger = logging.getLogger(__name__)

MOST_FAILURES = 10
LOCK_LIFE = timedelta(minutes=10)
STEP = 30  # seconds
DRIFT = 1  # steps each way
SECRET_LENGTH = 32  # base32 characters: 160 bits
RECOVERY_CODES = 10
ISSUER = "Git"
INVALID_OTP = "Invalid OTP"
_OTP = re.compile(r"[0-9]{6}")


def is_locked(user: User) -> bool:
    """Whether too many failures keep the account shut for now."""
    return user.locked_at is not None and user.locked_at > timezone.now() - LOCK_LIFE


def record_failure(user: User, *, method: str, ip_address: str) -> None:
    """One failure more; the account is shut for a while after ten. The row is locked by the caller's transaction."""
    if user.locked_at is not None:
        user.failed_attempts, user.locked_at = 0, None  # the lock is over
    user.failed_attempts += 1
    if user.failed_attempts >= MOST_FAILURES:
        user.locked_at = timezone.now()
    user.save(update_fields=["failed_attempts", "locked_at"])
    fields = {"user_id": user.pk, "failed_attempts": user.failed_attempts, "ip": ip_address, "method": method}
    logger.warning("Failed %s login", method, extra={"fields": fields})
    record_event(
        "authentication_failed",
        author_id=user.pk,
        author_name=user.username,
        entity_type="User",
        entity_id=user.pk,
        entity_path=user.username,
        ip_address=ip_address,
        details={"method": method, "failed_attempts": user.failed_attempts},
    )


def record_success(user: User) -> None:
    """Failures count from nothing again."""
    if user.failed_attempts or user.locked_at:
        user.failed_attempts, user.locked_at = 0, None
        user.save(update_fields=["failed_attempts", "locked_at"])


def present_timestep() -> int:
    """The number of the 30 seconds that it is."""
    return int(time.time()) // STEP


def matching_timestep(secret: str, attempt: str) -> int | None:
    """The time step whose one-time password this is, of now or one step around; None for none. Compared in constant time."""
    if _OTP.fullmatch(attempt) is None:
        return None
    now = present_timestep()
    totp = pyotp.TOTP(secret)
    found = None
    for step in range(now - DRIFT, now + DRIFT + 1):
        if hmac.compare_digest(totp.generate_otp(step), attempt):
            found = step
    return found


def consume_otp(user: User, attempt: str) -> bool:
    """Whether this is a one-time password that has not been used; used from now on. The row is locked by the caller's transaction."""
    if not is_readable(user, "otp_secret"):
        return False
    step = matching_timestep(user.otp_secret, attempt) if user.otp_secret else None
    if step is None:
        return False
    consumed = user.otp_consumed_timestep
    # A step of the future was consumed while the clock was ahead: it would shut the user out until then.
    if consumed is not None and step <= consumed <= present_timestep() + DRIFT:
        return False
    user.otp_consumed_timestep = step
    user.save(update_fields=["otp_consumed_timestep"])
    return True


def check_otp(user: User, key_id: int | None, attempt: str | None, *, ip_address: str = "") -> None:
    """Open an OTP session for the key, or for the user without a key. Raises CommandRefusedError, UnavailableError.

    A code is valid once, also within one SSH connection, whose requests all have the same X-Request-Id (contract: decisions 15).
    """
    with transaction.atomic():
        locked: User = User.objects.select_for_update().get(pk=user.pk)
        refusal = _otp_refusal(locked, key_id, attempt, ip_address)
    if refusal is not None:
        raise CommandRefusedError(refusal)


def _otp_refusal(user: User, key_id: int | None, attempt: str | None, ip_address: str) -> str | None:
    if is_locked(user) or not user.is_active:
        return "Your account is locked"
    if not attempt:
        return INVALID_OTP
    session = otp_session_key(key_id, user.pk)
    try:
        if consume_otp(user, attempt):
            record_success(user)
            _open_session(session)
            return None
    except SharedStoreError as error:
        raise UnavailableError("The second factor cannot be checked now. Try again in a moment.") from error
    record_failure(user, method="OTP", ip_address=ip_address)
    return INVALID_OTP


def _open_session(name: str) -> None:
    """Keep the mark, in the database while Redis cannot. Raises SharedStoreError when it can be kept nowhere."""
    *others, last = stores()
    for store in others:
        try:
            store.put(name, "given", OTP_SESSION_LIFE)
            return
        except SharedStoreError as error:
            logger.warning("An OTP session is kept in the database, since Redis is away: %s", error)
            went_without_redis("otp_session")
    last.put(name, "given", OTP_SESSION_LIFE)


def enable_two_factor(user: User) -> str:
    """Give the user a new TOTP secret; the `otpauth://` address for the user's application, shown this once.

    Raises InvalidAccountError when there is one already: a new one would shut the user out.
    """
    if user.two_factor_enabled:
        raise InvalidAccountError(f"{user.username!r} has a second factor already.")
    user.otp_secret = pyotp.random_base32(SECRET_LENGTH)
    user.otp_consumed_timestep = None
    user.save(update_fields=["otp_secret", "otp_consumed_timestep", "updated_at"])
    return pyotp.TOTP(user.otp_secret).provisioning_uri(name=user.username, issuer_name=f"{ISSUER} {settings.EXTERNAL_HOST}")


def disable_two_factor(user: User) -> bool:
    """Forget the second factor and the recovery codes; whether there was one."""
    if not user.two_factor_enabled:
        return False
    with transaction.atomic():
        user.otp_secret = user.otp_consumed_timestep = None
        user.save(update_fields=["otp_secret", "otp_consumed_timestep", "updated_at"])
        user.recovery_codes.all().delete()
    return True


def _code_digest(user: User, code: str, secret: str) -> str:
    return salted_hmac("accounts.recovery_code", f"{user.pk}:{code}", secret=secret, algorithm="sha256").hexdigest()


def generate_recovery_codes(user: User) -> list[str]:
    """Ten new codes, shown this once; all earlier ones are worthless from now on."""
    codes = [secrets.token_hex(8) for _ in range(RECOVERY_CODES)]
    with transaction.atomic():
        User.objects.select_for_update().get(pk=user.pk)  # of two requests the later one's codes are the good ones
        user.recovery_codes.all().delete()
        RecoveryCode.objects.bulk_create(
            RecoveryCode(user=user, code_digest=_code_digest(user, code, settings.SECRET_KEY)) for code in codes
        )
        record_event("recovery_codes_generated", entity_type="User", entity_id=user.pk, entity_path=user.username)
    return codes


def consume_recovery_code(user: User, code: str) -> bool:
    """Whether this is one of the user's codes; it is gone afterwards. Called in the transaction that lets the user in."""
    digests = [_code_digest(user, code, secret) for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)]
    used = user.recovery_codes.filter(code_digest__in=digests).delete()[0] > 0
    if used:
        record_event("recovery_code_used", entity_type="User", entity_id=user.pk, entity_path=user.username)
    return used
