"""Print the seed file that would rebuild this state."""

import json
from argparse import ArgumentParser
from typing import Any

import yaml
from django.core.management.base import CommandError
from django.db import transaction

from internal_api.errors import DomainError
from internal_api.management.operator import ExampleCommand
from internal_api.seeding.dump import dump


class Command(ExampleCommand):
    """`dump_seed > state.yaml`."""

    help = "Print the seed file that would rebuild this state. Passwords, tokens and other secrets are left out; tokens are made anew."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """YAML, or JSON."""
        parser.add_argument("--json", action="store_true", help="print JSON instead of YAML")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read everything in one transaction."""
        try:
            with transaction.atomic():
                document = dump()
        except DomainError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(
            json.dumps(document, indent=2) if options["json"] else yaml.safe_dump(document, sort_keys=False, allow_unicode=True)
        )
