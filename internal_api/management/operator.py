"""What the small commands of operators share: one clear line on bad input, and what was made as text or JSON."""

import json
import re
from argparse import ArgumentParser
from contextlib import nullcontext
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from internal_api.acting import ActorKind, acting, command_actor
from internal_api.errors import DomainError


class ExampleCommand(BaseCommand):
    """A command whose help ends with the example that its docstring gives between backticks."""

    actor_kind: ClassVar[ActorKind] = ActorKind.COMMAND

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; what it changes is its doing in the audit log."""
        with acting(command_actor(type(self).__module__.rpartition(".")[2], self.actor_kind)):
            return super().execute(*args, **options)

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """Django's, with the example."""
        example = re.search(r"`([^`]+)`", type(self).__doc__ or "")
        text = example[1] if example else subcommand
        whole = text if "manage.py" in text else f"python manage.py {text}"
        return super().create_parser(prog_name, subcommand, epilog=f"Example: {whole}", **kwargs)


class OperatorCommand(ExampleCommand):
    """Subclasses implement `act` and return what they made; all of it is written, or nothing.

    One that waits for the network has no transaction around it, since others wait for its locks: on SQLite every writer. Its
    steps are transactions of their own, and it undoes them itself.
    """

    waits_for_the_network: ClassVar[bool] = False

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
        """Run `act`, in one transaction unless it waits for the network, and print its result."""
        try:
            with nullcontext() if self.waits_for_the_network else transaction.atomic():
                result = self.act(**options)
        except DomainError as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            self.stdout.write(json.dumps(result, default=str))
        else:
            self.stdout.write("\n".join(f"{name}: {value}" for name, value in result.items()))
