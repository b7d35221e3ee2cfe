"""Give a user an SSH key."""

import sys
from argparse import ArgumentParser
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from accounts.models import UsageType
from accounts.selectors.users import get_user
from accounts.services.ssh_keys import add_user_key
from internal_api.management.operator import OperatorCommand
from internal_api.seeding.entries import SeedError, moment


def read_public_key(source: str) -> str:
    """A key given on the command line, in a file, or as - on standard input. Raises CommandError."""
    if source == "-":
        return sys.stdin.read()
    if " " in source.strip():
        return source
    try:
        return Path(source).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{source} cannot be read: {error}") from error


def _moment(text: str) -> datetime:
    try:
        return moment(text, text)
    except SeedError as error:
        raise CommandError(str(error)) from error


class Command(OperatorCommand):
    """`add_ssh_key ann ~/.ssh/id_ed25519.pub`."""

    help = "Give a user an SSH key."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("key", help="a public key, the file it is in, or - for standard input")
        parser.add_argument("--title", default="")
        parser.add_argument("--usage-type", choices=UsageType.values, default=UsageType.AUTH_AND_SIGNING)
        parser.add_argument("--expires-at", help="such as 2030-01-31")

    def act(self, **options: Any) -> dict[str, Any]:
        key = add_user_key(
            user=get_user(options["username"]),
            key=read_public_key(options["key"]),
            title=options["title"],
            usage_type=options["usage_type"],
            expires_at=_moment(options["expires_at"]) if options["expires_at"] else None,
        )
        return {"id": key.pk, "title": key.title, "fingerprint": f"SHA256:{key.fingerprint}"}
