"""What kas has counted."""

import json
from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError

from internal_api.management.operator import ExampleCommand
from internal_api.shared_store import SharedStoreError
from kubernetes_agent.selectors.metrics import counter_readings, unique_readings


class Command(ExampleCommand):
    """`agent_metrics`, or `agent_metrics --json`."""

    help = "Show what kas has counted: totals, and how many different users, agents and projects in a week and in four."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As a table or as JSON."""
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read and print."""
        counters = counter_readings()
        try:
            unique = unique_readings()
        except SharedStoreError as error:
            raise CommandError(f"The shared store is away: {error}") from error
        if options["json"]:
            told = {"counters": {one.name: one.total for one in counters}, "unique_counters": {one.name: asdict(one) for one in unique}}
            self.stdout.write(json.dumps(told))
            return
        width = max(len(name) for name in [*(one.name for one in counters), *(one.name for one in unique)]) + 2
        self.stdout.write(f"{'counter'.ljust(width)}{'total':>12}{'28 days':>12}")
        for counter in counters:
            self.stdout.write(f"{counter.name.ljust(width)}{counter.total:>12}{sum(counter.days):>12}")
        self.stdout.write(f"\n{'different'.ljust(width)}{'week':>12}{'4 weeks':>12}")
        for seen in unique:
            self.stdout.write(f"{seen.name.ljust(width)}{seen.weekly:>12}{seen.monthly:>12}")
