"""Print the seed file that would rebuild this state."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from internal_api.errors import DomainError
from internal_api.management.operator import ExampleCommand
from internal_api.seeding.dump import dump
from internal_api.seeding.progress import ProgressLines
from internal_api.seeding.snapshot import snapshot
from internal_api.seeding.writers import JSONWriter, YAMLWriter


class Command(ExampleCommand):
    """`dump_seed > state.yaml`."""

    help = "Print the seed file that would rebuild this state. Passwords, tokens and other secrets are left out; tokens are made anew."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """YAML, or JSON."""
        parser.add_argument("--json", action="store_true", help="print JSON instead of YAML")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read everything in one snapshot, and write it piece by piece; what was written before an error is of no use."""
        writer = (JSONWriter if options["json"] else YAMLWriter)(lambda text: self.stdout.write(text, ending=""))
        try:
            with snapshot():
                dump(writer, ProgressLines(self.stderr.write))
        except DomainError as error:
            raise CommandError(str(error)) from error
