"""Make an agent."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.selectors.users import get_user
from internal_api.management.operator import OperatorCommand
from kubernetes_agent.services.tokens import create_agent
from repositories.selectors.namespaces import find_project


class Command(OperatorCommand):
    """`create_agent gnuwget/wget2 production --created-by ann`."""

    help = "Make an agent of a project; its token comes with create_agent_token."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's full path")
        parser.add_argument("name")
        parser.add_argument("--created-by", help="who answers for what it reports; a maintainer or above")

    def act(self, **options: Any) -> dict[str, Any]:
        project = find_project(options["project"]).first()
        if project is None:
            raise CommandError(f"There is no project {options['project']!r}.")
        creator = get_user(options["created_by"]) if options["created_by"] else None
        agent = create_agent(project=project, name=options["name"], created_by=creator)
        return {"id": agent.pk, "name": agent.name, "project": project.route.path}
