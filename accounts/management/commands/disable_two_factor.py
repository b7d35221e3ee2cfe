"""Let a user do without the second factor."""

from argparse import ArgumentParser
from typing import Any

from accounts.selectors.users import get_user
from accounts.services.second_factor import disable_two_factor
from internal_api.management.operator import OperatorCommand


class Command(OperatorCommand):
    """`disable_two_factor ann`."""

    help = "Forget a user's second factor and recovery codes, such as after a lost telephone."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")

    def act(self, **options: Any) -> dict[str, Any]:
        user = get_user(options["username"])
        return {"username": user.username, "disabled": disable_two_factor(user)}
