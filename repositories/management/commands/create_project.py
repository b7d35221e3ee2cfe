"""Make a project."""

from argparse import ArgumentParser
from typing import Any

from internal_api.management.operator import OperatorCommand
from repositories.errors import InvalidProjectError
from repositories.models import Visibility
from repositories.selectors.namespaces import find_namespace
from repositories.services.projects import create_project
from repositories.services.repositories_at_gitaly import create_repository


class Command(OperatorCommand):
    """`create_project gnuwget/wget2 --visibility private`."""

    help = "Make a project in a group's or a user's namespace, with an empty repository at its Gitaly."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the full path")
        parser.add_argument("--name", default="")
        parser.add_argument("--without-repository", action="store_true", help="make no repository at Gitaly")
        parser.add_argument("--visibility", choices=Visibility.values, default=Visibility.PRIVATE)

    def act(self, **options: Any) -> dict[str, Any]:
        namespace_path, _, path = options["path"].rpartition("/")
        namespace = find_namespace(namespace_path).first()
        if namespace is None:
            raise InvalidProjectError(f"There is no namespace {namespace_path!r}.")
        fields = {"name": options["name"], "visibility": options["visibility"], "empty": True}
        project = create_project(path=path, namespace=namespace, **fields)
        if not options["without_repository"]:
            create_repository(project)
        return {"id": project.pk, "path": project.route.path, "visibility": project.visibility}
