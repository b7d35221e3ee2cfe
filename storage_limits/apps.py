"""Which namespaces are exempt from the storage limit."""

from django.apps import AppConfig


class StorageLimitsConfig(AppConfig):
    """Which namespaces are exempt from the storage limit."""

    name = "storage_limits"
