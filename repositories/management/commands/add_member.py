"""Give a user a role in a group or a project."""

from argparse import ArgumentParser
from typing import Any

from accounts.selectors.users import get_user
from internal_api.management.operator import OperatorCommand
from repositories.errors import InvalidAccessError
from repositories.models import AccessLevel
from repositories.selectors.namespaces import find_group, find_project
from repositories.services.access import set_member

ROLES = {level.name.lower(): level.value for level in AccessLevel}


class Command(OperatorCommand):
    """`add_member gnuwget ann developer`."""

    help = "Give a user a role in a group, and so in all below it, or in one project; an existing role is changed."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the full path of a group or a project")
        parser.add_argument("username")
        parser.add_argument("role", choices=list(ROLES))

    def act(self, **options: Any) -> dict[str, Any]:
        place = find_group(options["path"]) or find_project(options["path"]).first()
        if place is None:
            raise InvalidAccessError(f"There is no group or project {options['path']!r}.")
        user = get_user(options["username"])
        set_member(place, user, ROLES[options["role"]])
        return {"path": place.route.path, "username": user.username, "role": options["role"]}
