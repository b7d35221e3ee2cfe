"""Take a user's role away."""

from argparse import ArgumentParser
from typing import Any

from accounts.selectors.users import get_user
from internal_api.management.operator import OperatorCommand
from repositories.errors import InvalidAccessError
from repositories.models import Namespace
from repositories.selectors.namespaces import find_group, find_project
from repositories.services.access import leave_group, remove_member


class Command(OperatorCommand):
    """`remove_member gnuwget ann`."""

    help = "End a user's direct membership in a group or a project; a group's last owner stays."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the full path of a group or a project")
        parser.add_argument("username")

    def act(self, **options: Any) -> dict[str, Any]:
        place = find_group(options["path"]) or find_project(options["path"]).first()
        if place is None:
            raise InvalidAccessError(f"There is no group or project {options['path']!r}.")
        user = get_user(options["username"])
        removed = leave_group(place, user) if isinstance(place, Namespace) else remove_member(place, user)
        if not removed:
            raise InvalidAccessError(f"{user.username!r} is no direct member of {place.route.path!r}.")
        return {"path": place.route.path, "username": user.username, "removed": True}
