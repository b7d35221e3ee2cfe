"""What a seed file may say about storages, groups and projects."""

from repositories.seeds import access, certificates, error_tracking, places, protection, webhooks


def register() -> None:
    """Make the sections and keys known."""
    places.register()
    access.register()
    protection.register()
    certificates.register()
    error_tracking.register()
    webhooks.register()
