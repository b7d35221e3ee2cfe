"""Provisioning by identity providers."""

from django.apps import AppConfig


class ScimConfig(AppConfig):
    """Provisioning by identity providers."""

    name = "scim"

    def ready(self) -> None:
        """Fill the kernel's registries."""
        from scim import dumps, front_page, seeds  # noqa: PLC0415  models are not loaded before this

        seeds.register()
        front_page.register()
        dumps.register()
