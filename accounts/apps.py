"""Users, SSH keys and tokens."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Users, SSH keys and tokens."""

    name = "accounts"
