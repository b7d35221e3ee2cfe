"""What identity providers ask."""

from django.apps import AppConfig


class ScimConfig(AppConfig):
    """What identity providers ask."""

    name = "scim"
