"""Users, SSH keys and tokens."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, SSH keys and tokens."""

    name = "accounts"

    def ready(self) -> None:
        """Fill the kernel's registries."""
        from accounts import dumps, seeds  # noqa: PLC0415  models are not loaded before this

        seeds.register()
        dumps.register()
