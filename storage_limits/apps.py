"""Limits of storage, and who is excluded from them."""

from django.apps import AppConfig


class StorageLimitsConfig(AppConfig):
    """Limits of storage, and who is excluded from them."""

    name = "storage_limits"

    def ready(self) -> None:
        """Listen for changes of sizes and limits, and for pushes that should read of them."""
        from storage_limits.services import alerts, flag  # noqa: F401, PLC0415  models are not loaded before this
