"""Encrypt what is stored encrypted under the newest key."""

from typing import Any

from django.core.management.base import CommandError

from internal_api.audit import record_event
from internal_api.encryption import rotate
from internal_api.management.operator import ExampleCommand


class Command(ExampleCommand):
    """`rotate_encryption`; may be run while the service answers, and again."""

    help = "Encrypt all encrypted columns anew under the first of ENCRYPTION_KEYS (or SECRET_KEY), so that older keys can be dropped."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many values each column has."""
        try:
            rotated = rotate()
        except ValueError as error:
            raise CommandError(str(error)) from error
        if any(rotated.values()):
            record_event("encryption_rotated", details={column: number for column, number in rotated.items() if number})
        for column, number in rotated.items():
            self.stdout.write(f"{column}: {number}")
