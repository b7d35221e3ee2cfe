"""List the agents."""

import json
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from internal_api.management.operator import ExampleCommand
from kubernetes_agent.models import Agent
from kubernetes_agent.selectors.agents import with_last_seen
from repositories.selectors.namespaces import find_project

_COLUMNS = ("id", "project", "name", "connected", "last_seen_at", "agent_version", "kubernetes_version", "created_by")


class Command(ExampleCommand):
    """`list_agents`, or `list_agents gnuwget/wget2 --json`."""

    help = "List the agents with whether they are connected (a token was used within the last hour), when last seen, and versions."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """As a table or as JSON, of all projects or of one."""
        parser.add_argument("project", nargs="?", help="the full path of one project")
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read and print."""
        agents = Agent.objects.order_by("project__route__path", "name")
        if options["project"]:
            project = find_project(options["project"]).first()
            if project is None:
                raise CommandError(f"There is no project {options['project']!r}.")
            agents = agents.filter(project=project)
        rows = [_row(values) for values in _values(with_last_seen(agents, timezone.now()))]
        if options["json"]:
            self.stdout.write(json.dumps(rows))
            return
        table = [_COLUMNS, *(tuple(_shown(row[name]) for name in _COLUMNS) for row in rows)]
        widths = [max(len(line[column]) for line in table) for column in range(len(_COLUMNS))]
        for line in table:
            self.stdout.write("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _values(agents: Any) -> Any:
    return agents.values(
        "id",
        "name",
        "is_connected",
        "last_seen_at",
        "agent_version",
        "kubernetes_version",
        "architecture",
        "project__route__path",
        "created_by__username",
    )


def _row(values: dict[str, Any]) -> dict[str, Any]:
    seen = values["last_seen_at"]
    return {
        "id": values["id"],
        "project": values["project__route__path"],
        "name": values["name"],
        "connected": values["is_connected"],
        "last_seen_at": seen.isoformat(timespec="seconds") if seen else None,
        "agent_version": values["agent_version"] or None,
        "kubernetes_version": values["kubernetes_version"] or None,
        "architecture": values["architecture"] or None,
        "created_by": values["created_by__username"],
    }


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)
