"""Limits of storage, and who is excluded from them."""

from django.apps import AppConfig


class StorageLimitsConfig(AppConfig):
    """Limits of storage, and who is excluded from them."""

    name = "storage_limits"

    def ready(self) -> None:
        """Fill the kernel's registries, and listen for changes of sizes and limits."""
        from storage_limits import dumps, front_page, seeds  # noqa: PLC0415  models are not loaded before this

        seeds.register()
        front_page.register()
        dumps.register()
