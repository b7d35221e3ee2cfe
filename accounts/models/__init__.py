"""Users and what they sign in with."""

from accounts.models.personal_access_token import PersonalAccessToken
from accounts.models.recovery_code import RecoveryCode
from accounts.models.ssh_key import KeyKind, SSHKey, UsageType
from accounts.models.user import ExtraEmail, User, UserState, UserType

__all__ = ["ExtraEmail", "KeyKind", "PersonalAccessToken", "RecoveryCode", "SSHKey", "UsageType", "User", "UserState", "UserType"]
