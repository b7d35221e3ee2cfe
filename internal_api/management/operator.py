"""What the small commands of operators share: one clear line on bad input, and what was made as text or JSON."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from internal_api.errors import DomainError


class OperatorCommand(BaseCommand):
    """Subclasses implement `act` and return what they made; all of it is written, or nothing."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Every one of them can print JSON; subclasses add what they take in `arguments`."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        self.arguments(parser)

    def arguments(self, parser: ArgumentParser) -> None:
        """What this command takes."""

    def act(self, **options: Any) -> dict[str, Any]:
        """Do it, and tell. Raises DomainError or CommandError."""
        raise NotImplementedError

    def handle(self, *args: Any, **options: Any) -> None:
        """Run `act` in one transaction and print its result."""
        try:
            with transaction.atomic():
                result = self.act(**options)
        except DomainError as error:
            raise CommandError(error.message) from error
        if options["json"]:
            self.stdout.write(json.dumps(result, default=str))
        else:
            self.stdout.write("\n".join(f"{name}: {value}" for name, value in result.items()))
