"""Ask every storage whether it answers."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from repositories.models import Storage


class Command(BaseCommand):
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
        from repositories.gitaly.client import GitalyClient  # noqa: PLC0415  commands are loaded for their help, too
        from repositories.gitaly.errors import GitalyError  # noqa: PLC0415  likewise
        from repositories.gitaly.values import StorageAddress  # noqa: PLC0415  likewise

        state = {"address": storage.gitaly_address, "version": "", "problem": ""}
        try:
            info = GitalyClient(StorageAddress(storage.name, storage.gitaly_address, storage.gitaly_token or None)).server_info(
                seconds=seconds
            )
        except GitalyError as error:
            return {**state, "problem": str(error)}
        readable, writeable = info.storages.get(storage.name, (False, False))
        if storage.name not in info.storages:
            state["problem"] = "Gitaly does not know a storage of this name."
        elif not (readable and writeable):
            state["problem"] = "Gitaly cannot read or write this storage."
        return {**state, "version": f"Gitaly {info.version}, git {info.git_version}"}
