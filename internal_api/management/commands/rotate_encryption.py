"""Encrypt what is stored encrypted under the newest key."""

from typing import Any

from internal_api.encryption import rotate
from internal_api.management.operator import ExampleCommand


class Command(ExampleCommand):
    """`rotate_encryption`; may be run while the service answers, and again."""

    help = "Encrypt all encrypted columns anew under the first of ENCRYPTION_KEYS (or SECRET_KEY), so that older keys can be dropped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many values each column has."""
        for column, number in rotate().items():
            self.stdout.write(f"{column}: {number}")
