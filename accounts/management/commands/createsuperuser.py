"""Make an administrator: Django's command by name, options and environment, with this service's rules for users."""

import getpass
import os
from argparse import ArgumentParser
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import CommandError

from accounts.errors import InvalidAccountError
from accounts.models import User
from accounts.services.users import create_user, set_password
from internal_api.management.operator import OperatorCommand

_ENVIRONMENT = "DJANGO_SUPERUSER_"


class Command(OperatorCommand):
    """`createsuperuser --username ann --email ann@example.com`."""

    help = "Make an administrator. Asks for what is not said; with --noinput it asks nothing, and reads DJANGO_SUPERUSER_PASSWORD."

    def arguments(self, parser: ArgumentParser) -> None:
        for name in ("username", "email", "name"):
            parser.add_argument(f"--{name}", help=f"or {_ENVIRONMENT}{name.upper()} with --noinput")
        parser.add_argument("--noinput", "--no-input", action="store_false", dest="interactive", help="ask nothing")

    def act(self, **options: Any) -> dict[str, Any]:
        asked = self._typed(options) if options["interactive"] else self._given(options)
        user = create_user(admin=True, **asked)
        return {"id": user.pk, "username": user.username, "email": user.email, "admin": user.admin}

    def _given(self, options: dict[str, Any]) -> dict[str, str]:
        """What options and environment say. Without a password the administrator signs in once one was set with `changepassword`."""
        given = {name: options[name] or os.environ.get(_ENVIRONMENT + name.upper(), "") for name in ("username", "email", "name")}
        missing = next((name for name in ("username", "email") if not given[name]), None)
        if missing:
            raise CommandError(f"With --noinput --{missing} is needed.")
        return {**given, "password": os.environ.get(f"{_ENVIRONMENT}PASSWORD", "")}

    def _typed(self, options: dict[str, Any]) -> dict[str, str]:
        """What is typed at the terminal; what is not accepted is asked again. The name may stay empty."""
        try:
            typed = {name: options[name] or self._ask(name) for name in ("username", "email")}
            return {**typed, "name": options["name"] or "", "password": self._password(typed)}
        except (KeyboardInterrupt, EOFError):
            raise CommandError("Nothing was made.") from None

    def _ask(self, name: str) -> str:
        while True:
            text = input(f"{name.capitalize()}: ").strip()
            try:
                value: str = User._meta.get_field(name).clean(text, None)  # type: ignore[union-attr]  # noqa: SLF001  both are columns
            except ValidationError as error:
                self.stderr.write(" ".join(error.messages))
            else:
                return value

    def _password(self, typed: dict[str, str]) -> str:
        while True:
            password = getpass.getpass()
            if password != getpass.getpass("Password (again): "):
                self.stderr.write("The two passwords differ.")
                continue
            try:
                set_password(User(**typed, name=typed["username"]), password)
            except InvalidAccountError as error:
                self.stderr.write(error.message)
            else:
                return password
