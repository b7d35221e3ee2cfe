"""Make a group."""

from argparse import ArgumentParser
from typing import Any

from internal_api.management.operator import OperatorCommand
from repositories.errors import InvalidNamespaceError
from repositories.models import Visibility
from repositories.selectors.namespaces import find_group
from repositories.services.namespaces import create_group


class Command(OperatorCommand):
    """`create_group gnuwget/tools`."""

    help = "Make a group; the groups above it have to exist."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the full path")
        parser.add_argument("--name", default="")
        parser.add_argument("--visibility", choices=Visibility.values, default=Visibility.PRIVATE)

    def act(self, **options: Any) -> dict[str, Any]:
        parent_path, _, path = options["path"].rpartition("/")
        parent = find_group(parent_path) if parent_path else None
        if parent_path and parent is None:
            raise InvalidNamespaceError(f"There is no group {parent_path!r}.")
        group = create_group(path=path, parent=parent, name=options["name"], visibility=options["visibility"])
        return {"id": group.pk, "path": group.route.path, "visibility": group.visibility}
