"""Whose stored values the doctor looks at."""

from accounts.models import ExtraEmail, PersonalAccessToken, SSHKey, User
from internal_api.stored_value_checks import register_models


def register() -> None:
    """Make the models known."""
    register_models(User, ExtraEmail, SSHKey, PersonalAccessToken)
