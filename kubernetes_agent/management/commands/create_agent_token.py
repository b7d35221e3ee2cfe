"""Make an agent's token."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError

from internal_api.management.operator import OperatorCommand
from kubernetes_agent.models import Agent, AgentToken, TokenStatus
from kubernetes_agent.services.tokens import create_agent_token, revoke_agent_token


class Command(OperatorCommand):
    """`create_agent_token gnuwget/wget2 production first`."""

    help = "Make an agent's token and print it, this once; or revoke one."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("project", help="the project's full path")
        parser.add_argument("agent", help="the agent's name")
        parser.add_argument("name", help="the token's name")
        parser.add_argument("--revoke", action="store_true", help="make the token of that name worthless instead")

    def act(self, **options: Any) -> dict[str, Any]:
        agent = Agent.objects.filter(project__route__path__iexact=options["project"], name=options["agent"]).first()
        if agent is None:
            raise CommandError(f"There is no agent {options['agent']!r} in {options['project']!r}.")
        if options["revoke"]:
            return self._revoke(agent, options["name"])
        token, clear = create_agent_token(agent=agent, name=options["name"])
        return {"id": token.pk, "agent": agent.name, "name": token.name, "token": clear}

    @staticmethod
    def _revoke(agent: Agent, name: str) -> dict[str, Any]:
        tokens = AgentToken.objects.filter(agent=agent, name=name, status=TokenStatus.ACTIVE)
        if not tokens:
            raise CommandError(f"The agent has no active token {name!r}.")
        return {"agent": agent.name, "name": name, "revoked": sum(revoke_agent_token(token) for token in tokens)}
