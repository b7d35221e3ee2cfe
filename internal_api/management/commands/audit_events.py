"""Export audit events."""

import json
from argparse import ArgumentParser
from datetime import datetime
from typing import Any

from django.core.management.base import CommandError

from internal_api.acting import ActorKind
from internal_api.management.operator import ExampleCommand
from internal_api.models import AuditEvent
from internal_api.seeding.entries import SeedError, moment

_FILTERS = {
    "author": ("author_name", "the username of whoever did it"),
    "entity-type": ("entity_type", "what it is about, such as User or Project"),
    "entity": ("entity_path", "the name of what it is about, such as acme/rockets"),
    "ip-address": ("ip_address", "where it came from"),
    "correlation-id": ("correlation_id", "all that one request or one run of a command did; it is in its log lines too"),
}
"""Options, the column each compares, and its explanation."""


def _moment(text: str) -> datetime:
    try:
        return moment(text, text)
    except SeedError as error:
        raise CommandError(str(error)) from error


class Command(ExampleCommand):
    """`audit_events --since 2030-01-01 --author root > events.jsonl`."""

    help = "Print audit events, the oldest first, as one JSON object a line."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to leave out."""
        parser.add_argument("--since", help="such as 2030-01-31 or 2030-01-31T12:00:00Z")
        parser.add_argument("--until", help="likewise; itself left out")
        parser.add_argument("--action", action="append", default=[], help="such as repository_git_operation; may be given several times")
        parser.add_argument("--kind", action="append", default=[], choices=[kind.value for kind in ActorKind], help="by what way; likewise")
        for name, (_, explained) in _FILTERS.items():
            parser.add_argument(f"--{name}", help=explained)

    def handle(self, *args: Any, **options: Any) -> None:
        """Read the rows as they are needed: there may be millions."""
        rows = AuditEvent.objects.order_by("pk")
        if options["since"]:
            rows = rows.filter(created_at__gte=_moment(options["since"]))
        if options["until"]:
            rows = rows.filter(created_at__lt=_moment(options["until"]))
        if options["action"]:
            rows = rows.filter(action__in=options["action"])
        if options["kind"]:
            rows = rows.filter(actor_kind__in=options["kind"])
        for name, (lookup, _) in _FILTERS.items():
            if options[name.replace("-", "_")]:
                rows = rows.filter(**{lookup: options[name.replace("-", "_")]})
        for row in rows.values().iterator(chunk_size=1000):
            self.stdout.write(json.dumps({**row, "created_at": row["created_at"].isoformat()}))
