"""Give a project another default branch."""

from argparse import ArgumentParser
from typing import Any

from internal_api.management.operator import OperatorCommand
from repositories.errors import InvalidProjectError
from repositories.selectors.namespaces import find_project
from repositories.services.default_branch import set_default_branch


class Command(OperatorCommand):
    """`set_default_branch gnuwget/wget2 trunk`."""

    help = "Make a branch the default one: what clones check out (HEAD at Gitaly), and what the former default branch's rule protects."
    waits_for_the_network = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the project's full path")
        parser.add_argument("branch", help="an existing branch, or any name while the repository is empty")

    def act(self, **options: Any) -> dict[str, Any]:
        project = find_project(options["path"]).select_related("storage", "route").first()
        if project is None:
            raise InvalidProjectError(f"There is no project {options['path']!r}.")
        former = project.default_branch
        moved = set_default_branch(project, options["branch"])
        return {
            "path": project.route.path,
            "default_branch": options["branch"],
            "former_default_branch": former,
            "rule_moved": moved,
        }
