"""Whose stored values the doctor looks at."""

from internal_api.stored_value_checks import register_models
from storage_limits.models import LimitExclusion


def register() -> None:
    """Make the models known."""
    register_models(LimitExclusion)
