"""Protect a branch of a project, or of all projects of a top-level group."""

from argparse import ArgumentParser
from typing import Any

from internal_api.management.operator import OperatorCommand
from repositories.errors import InvalidAccessError
from repositories.selectors.namespaces import find_group, find_project
from repositories.services.protected_refs import LEVELS, protect_branch


class Command(OperatorCommand):
    """`protect_branch gnuwget/wget2 main --push maintainer --merge developer`."""

    help = "Protect a branch, or all branches that a pattern such as 'release-*' covers."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the full path of a project or a top-level group")
        parser.add_argument("name", help="a branch or a pattern")
        parser.add_argument("--push", choices=list(LEVELS), default="maintainer")
        parser.add_argument("--merge", choices=list(LEVELS), default="maintainer")
        parser.add_argument("--allow-force-push", action="store_true")

    def act(self, **options: Any) -> dict[str, Any]:
        place = find_project(options["path"]).first() or find_group(options["path"])
        if place is None:
            raise InvalidAccessError(f"There is no project or group {options['path']!r}.")
        grants = {kind: [LEVELS[options[kind]]] for kind in ("push", "merge")}
        protect_branch(place, options["name"], grants, allow_force_push=options["allow_force_push"])
        return {"path": place.route.path, **{name: options[name] for name in ("name", "push", "merge", "allow_force_push")}}
