"""Make a project."""

from argparse import ArgumentParser
from typing import Any

from internal_api.branch_names import is_valid_name
from internal_api.errors import DomainError
from internal_api.management.operator import OperatorCommand
from internal_api.models import InstanceSettings
from repositories.errors import InvalidProjectError
from repositories.models import Visibility
from repositories.policy.ref_names import looks_like_an_object_id
from repositories.selectors.namespaces import find_namespace
from repositories.services.default_branch import set_default_branch
from repositories.services.projects import create_project
from repositories.services.repositories_at_gitaly import provide_repository


class Command(OperatorCommand):
    """`create_project gnuwget/wget2 --visibility private`."""

    help = "Make a project in a group's or a user's namespace, with an empty repository at its Gitaly."
    waits_for_the_network = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("path", help="the full path")
        parser.add_argument("--name", default="")
        parser.add_argument("--default-branch", metavar="BRANCH", help="what HEAD names; otherwise the instance's default_branch_name")
        parser.add_argument("--without-repository", action="store_true", help="make no repository at Gitaly")
        parser.add_argument("--visibility", choices=Visibility.values, default=Visibility.PRIVATE)

    def act(self, **options: Any) -> dict[str, Any]:
        namespace_path, _, path = options["path"].rpartition("/")
        namespace = find_namespace(namespace_path).first()
        if namespace is None:
            raise InvalidProjectError(f"There is no namespace {namespace_path!r}.")
        branch = options["default_branch"] or InstanceSettings.current().default_branch_name
        if not is_valid_name(branch) or looks_like_an_object_id(branch):  # no such branch can be pushed (contract: allowed 5.4)
            raise InvalidProjectError(f"{branch!r} is not a valid name of a branch.")
        fields = {"name": options["name"], "visibility": options["visibility"], "empty": True, "wiki_exists": False}
        project = create_project(path=path, namespace=namespace, default_branch=branch, **fields)
        told = {"id": project.pk, "path": project.route.path, "visibility": project.visibility}
        if options["without_repository"]:
            return {**told, "default_branch": branch, "repository": "not made; make it with: manage.py create_repositories"}
        try:
            was_missing = provide_repository(project)
            if options["default_branch"] and not was_missing and project.default_branch != branch:
                set_default_branch(project, branch)
        except DomainError:
            project.delete()
            raise
        return {**told, "default_branch": project.default_branch, "repository": "made" if was_missing else "existed"}
