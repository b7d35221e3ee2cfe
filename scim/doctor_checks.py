"""Whose stored values the doctor looks at."""

from internal_api.stored_value_checks import register_models
from scim.models import Identity, SamlGroupLink, SamlProvider, SCIMToken


def register() -> None:
    """Make the models known."""
    register_models(SamlProvider, SamlGroupLink, SCIMToken, Identity)
