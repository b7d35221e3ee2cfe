"""Let a user in again."""

from argparse import ArgumentParser
from typing import Any

from accounts.selectors.users import get_user
from accounts.services.users import unblock
from internal_api.management.operator import OperatorCommand


class Command(OperatorCommand):
    """`unblock_user ann`."""

    help = "Let a user in again, whatever kept them out."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def act(self, **options: Any) -> dict[str, Any]:
        user = get_user(options["username"])
        changed = unblock(user)
        return {"username": user.username, "state": user.state, "changed": changed}
