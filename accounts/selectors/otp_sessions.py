"""Whether a second factor was given lately: a mark in the shared store (contract: shell-endpoints 9)."""

from internal_api.shared_store import SharedStoreError, shared_store

OTP_SESSION_LIFE = 15 * 60  # seconds


def otp_session_key(key_id: int | None, user_id: int) -> str:
    """Under which name the shared store keeps that a second factor was given: the key's, or the user's without a key."""
    return f"session:otp:{key_id}" if key_id is not None else f"session:otp:user:{user_id}"


def has_otp_session(key_id: int | None, user_id: int) -> bool:
    """Whether the mark is there; without the store nobody can have given a second factor."""
    try:
        return shared_store().get(otp_session_key(key_id, user_id)) is not None
    except SharedStoreError:
        return False
