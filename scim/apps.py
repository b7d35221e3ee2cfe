"""Provisioning by identity providers."""

from django.apps import AppConfig


class ScimConfig(AppConfig):
    """Provisioning by identity providers."""

    name = "scim"
