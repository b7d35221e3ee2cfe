"""Whether a second factor was given recently: a mark in the shared store (contract: shell-endpoints 9)."""

from internal_api.shared_store import SharedStore, SharedStoreError, stores

OTP_SESSION_LIFE = 15 * 60  # seconds


def otp_session_key(key_id: int | None, user_id: int) -> str:
    """Under which name the shared store keeps that a second factor was given: the key's, or the user's without a key."""
    return f"session:otp:{key_id}" if key_id is not None else f"session:otp:user:{user_id}"


def has_otp_session(key_id: int | None, user_id: int) -> bool:
    """Whether the mark is there, in Redis or, from while Redis was away, in the database."""
    name = otp_session_key(key_id, user_id)
    return any(_has(store, name) for store in stores())


def _has(store: SharedStore, name: str) -> bool:
    try:
        return store.get(name) is not None
    except SharedStoreError:
        return False
