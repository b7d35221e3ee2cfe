"""Make a user."""

import sys
from argparse import ArgumentParser
from typing import Any

from accounts.models import UserType
from accounts.services.users import create_user
from internal_api.management.operator import OperatorCommand


class Command(OperatorCommand):
    """`create_user ann --email ann@example.com`."""

    help = "Make a user; with --admin one who may sign in to the admin site and do everything."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--email", required=True)
        parser.add_argument("--name", default="")
        parser.add_argument("--admin", action="store_true")
        parser.add_argument("--external", action="store_true", help="sees no internal projects")
        parser.add_argument("--type", dest="user_type", choices=UserType.values, default=UserType.HUMAN)
        parser.add_argument("--password-stdin", action="store_true", help="read a password from standard input")

    def act(self, **options: Any) -> dict[str, Any]:
        fields = {name: options[name] for name in ("username", "email", "name", "admin", "external", "user_type")}
        password = sys.stdin.readline().rstrip("\n") if options["password_stdin"] else None
        user = create_user(password=password, **fields)
        return {"id": user.pk, "username": user.username, "email": user.email, "admin": user.admin}
