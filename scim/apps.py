"""Provisioning by identity providers."""

from typing import Any

from django.apps import AppConfig
from django.db.models.signals import post_delete


def _withdraw(sender: type, instance: Any, **_: object) -> None:
    from scim.services.groups import withdraw_link  # noqa: PLC0415  models are not ready when this module is loaded

    withdraw_link(instance)


class ScimConfig(AppConfig):
    """Provisioning by identity providers."""

    name = "scim"

    def ready(self) -> None:
        """Take roles back whichever way a SAML group link is removed: seed file, admin site or with its group."""
        post_delete.connect(_withdraw, sender="scim.SamlGroupLink", dispatch_uid="withdraw_link")
