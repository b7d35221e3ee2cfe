"""Remove what has expired."""

import json
from argparse import ArgumentParser
from typing import Any

from internal_api.clean_up import clean_up
from internal_api.management.operator import ExampleCommand


class Command(ExampleCommand):
    """`clean_up`, from cron or a timer, as often as one likes; not in one transaction, so that it never holds up a push."""

    help = "Remove what has expired: sessions, one-shot messages, old events. Safe to run at any time."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Like every command it can print JSON."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run every job and tell what each has removed."""
        removed = clean_up()
        self.stdout.write(json.dumps(removed) if options["json"] else "\n".join(f"{name}: {number}" for name, number in removed.items()))
