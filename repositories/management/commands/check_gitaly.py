"""Ask every storage whether it answers."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from internal_api.management.operator import ExampleCommand
from repositories.models import Storage
from repositories.services.storage_health import storage_health


class Command(ExampleCommand):
    """`check_gitaly`: per storage whether it answers, its version, and what is wrong."""

    help = "Tell of each storage whether its Gitaly answers, which version it is, and what is wrong."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--json", action="store_true", help="print the result as JSON")
        parser.add_argument("--seconds", type=float, default=5.0, help="how long to wait for each")

    def handle(self, *args: Any, **options: Any) -> None:
        """Exit with an error when any storage is not well."""
        found = {storage.name: self._check(storage, options["seconds"]) for storage in Storage.objects.order_by("name")}
        if options["json"]:
            self.stdout.write(json.dumps(found))
        for name, state in found.items() if not options["json"] else ():
            self.stdout.write(
                f"{name}: {state['problem'] or 'well'} ({state['address']}{', ' + state['version'] if state['version'] else ''})"
            )
        if any(state["problem"] for state in found.values()):
            raise CommandError("Not every storage is well.")

    @staticmethod
    def _check(storage: Storage, seconds: float) -> dict[str, str]:
        health = storage_health(storage, seconds)
        return {"address": storage.gitaly_address, "version": health.version, "problem": health.problem}
