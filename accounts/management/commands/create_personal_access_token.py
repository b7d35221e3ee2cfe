"""Make a personal access token."""

from argparse import ArgumentParser
from datetime import date
from typing import Any

from django.core.management.base import CommandError

from accounts.selectors.users import get_user
from accounts.services.personal_access_tokens import create_token
from internal_api.management.operator import OperatorCommand
from internal_api.seeding.entries import SeedError, day


class Command(OperatorCommand):
    """`create_personal_access_token ann deploy --scope api --expires-at 2030-01-31`."""

    help = "Make a personal access token and print it, this once."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("name")
        parser.add_argument("--scope", action="append", required=True, dest="scopes", help="such as api; may be given several times")
        parser.add_argument("--expires-at", help="such as 2030-01-31; without it the token does not expire")

    def act(self, **options: Any) -> dict[str, Any]:
        expires_at = _date(options["expires_at"]) if options["expires_at"] else None
        user = get_user(options["username"])
        row, clear = create_token(user=user, name=options["name"], scopes=options["scopes"], expires_at=expires_at)
        return {"id": row.pk, "name": row.name, "scopes": row.scopes, "expires_at": row.expires_at, "token": clear}


def _date(text: str) -> date:
    try:
        return day(text, text)
    except SeedError as error:
        raise CommandError(str(error)) from error
