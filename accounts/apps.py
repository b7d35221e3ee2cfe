"""Users, SSH keys and tokens."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, SSH keys and tokens."""

    name = "accounts"

    def ready(self) -> None:
        """Connect what the deletion of a user leaves."""
        from accounts.services import users  # noqa: F401, PLC0415  models are not loaded before this
