"""Revoke a personal access token."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.db.models import QuerySet

from accounts.models import PersonalAccessToken
from accounts.selectors.users import get_user
from accounts.services.personal_access_tokens import revoke
from internal_api.digests import token_digest
from internal_api.management.operator import OperatorCommand


class Command(OperatorCommand):
    """`revoke_token --user ann --name ci`, or `revoke_token --stdin` for one that was found somewhere."""

    help = "Make a personal access token worthless: by its user and name, or the token itself on standard input."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--user")
        parser.add_argument("--name", help="without it, all of the user's tokens")
        parser.add_argument("--stdin", action="store_true", help="read the token from standard input, so that no history keeps it")

    def act(self, **options: Any) -> dict[str, Any]:
        tokens = self._tokens(options)
        if not tokens:
            raise CommandError("There is no such token.")
        return {"revoked": sum(revoke(token) for token in tokens), "tokens": [f"{token.user.username}/{token.name}" for token in tokens]}

    @staticmethod
    def _tokens(options: dict[str, Any]) -> QuerySet[PersonalAccessToken]:
        rows = PersonalAccessToken.objects.select_related("user").order_by("pk")
        if options["stdin"]:
            return rows.filter(token_digest=token_digest(sys.stdin.readline().strip()))
        if not options["user"]:
            raise CommandError("Name a --user, or give the token with --stdin.")
        rows = rows.filter(user=get_user(options["user"]))
        return rows.filter(name=options["name"]) if options["name"] else rows
