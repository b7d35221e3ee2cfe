"""Make a project."""

from argparse import ArgumentParser
from typing import Any

from internal_api.management.operator import OperatorCommand
from repositories.errors import InvalidProjectError
from repositories.models import Visibility
from repositories.selectors.namespaces import find_namespace
from repositories.services.projects import create_project


class Command(OperatorCommand):
    """`create_project gnuwget/wget2 --visibility private`."""

    help = "Make a project in a group's or a user's namespace."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the full path")
        parser.add_argument("--name", default="")
        parser.add_argument("--visibility", choices=Visibility.values, default=Visibility.PRIVATE)

    def act(self, **options: Any) -> dict[str, Any]:
        namespace_path, _, path = options["path"].rpartition("/")
        namespace = find_namespace(namespace_path).first()
        if namespace is None:
            raise InvalidProjectError(f"There is no namespace {namespace_path!r}.")
        project = create_project(path=path, namespace=namespace, name=options["name"], visibility=options["visibility"])
        return {"id": project.pk, "path": project.route.path, "visibility": project.visibility}
