"""Make an agent."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from accounts.selectors.users import get_user
from internal_api.management.operator import OperatorCommand
from kubernetes_agent.selectors.agents import may_report
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
        if not may_report(agent):
            who = f"{creator.username} is no maintainer of {project.route.path}" if creator else "No --created-by was given"
            self.stderr.write(
                f"Warning: {who}, so reports of vulnerabilities of this agent are refused (403). Make the creator a maintainer, "
                "or set `created by` on the admin site. Everything else works."
            )
        return {"id": agent.pk, "name": agent.name, "project": project.route.path}
