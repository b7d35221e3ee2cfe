"""Remove a project."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from internal_api.management.operator import OperatorCommand
from repositories.selectors.namespaces import find_project
from repositories.services.project_deletion import check_gitaly_can_remove, delete_project, remove_repositories


class Command(OperatorCommand):
    """`delete_project gnuwget/wget2 --confirm gnuwget/wget2`."""

    help = "Remove a project with everything about it, and its repositories at Gitaly; there is no way back."
    waits_for_the_network = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the project's full path")
        parser.add_argument("--confirm", required=True, help="the path once more")
        parser.add_argument("--keep-repository", action="store_true", help="leave the repositories at Gitaly where they are")

    def act(self, **options: Any) -> dict[str, Any]:
        project = find_project(options["path"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['path']!r}.")
        if options["confirm"] != options["path"]:
            raise CommandError("The path and its confirmation differ; nothing was removed.")
        told = {"id": project.pk, "path": project.route.path}
        if options["keep_repository"]:
            delete_project(project)
            return {**told, "repository_removed": False}
        check_gitaly_can_remove(project)
        outcome = remove_repositories(delete_project(project))
        if outcome.remains:
            raise CommandError(f"Project {told['id']} ({told['path']}) is deleted, but {outcome.remains}")
        return {**told, "repository_removed": outcome.removed}
