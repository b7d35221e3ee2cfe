"""Keep a user out."""

from argparse import ArgumentParser
from typing import Any

from accounts.selectors.users import get_user
from accounts.services.users import block
from internal_api.management.operator import OperatorCommand


class Command(OperatorCommand):
    """`block_user ann`."""

    help = "Keep a user out of everything: Git, tokens, the admin site. SCIM does not lift this block, also if SCIM had set one before."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def act(self, **options: Any) -> dict[str, Any]:
        user = get_user(options["username"])
        changed = block(user)
        return {"username": user.username, "state": user.state, "blocked_by": user.blocked_by, "changed": changed}
