"""Give a project another place."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from internal_api.management.operator import OperatorCommand
from repositories.selectors.namespaces import find_namespace, find_project
from repositories.services.projects import move_project


class Command(OperatorCommand):
    """`move_project gnuwget/wget2 tools/wget2`."""

    help = "Give a project another namespace or name; its former path leads to it."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the project's full path")
        parser.add_argument("new_path", help="its full path afterwards")

    def act(self, **options: Any) -> dict[str, Any]:
        project = find_project(options["path"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['path']!r}.")
        namespace_path, _, path = options["new_path"].rpartition("/")
        namespace = find_namespace(namespace_path).first()
        if namespace is None:
            raise CommandError(f"There is no namespace {namespace_path!r}.")
        former = move_project(project, namespace, path)
        return {"id": project.pk, "path": f"{namespace.route.path}/{path}", "redirect_from": former}
