"""Users and what they sign in with."""

from accounts.models.personal_access_token import PersonalAccessToken
from accounts.models.recovery_code import RecoveryCode
from accounts.models.ssh_key import KeyKind, SSHKey, UsageType
from accounts.models.user import BLOCKED_STATES, BlockedBy, ExtraEmail, User, UserState, UserType, default_blocker

__all__ = [
    "BLOCKED_STATES",
    "BlockedBy",
    "ExtraEmail",
    "KeyKind",
    "PersonalAccessToken",
    "RecoveryCode",
    "SSHKey",
    "UsageType",
    "User",
    "UserState",
    "UserType",
    "default_blocker",
]
