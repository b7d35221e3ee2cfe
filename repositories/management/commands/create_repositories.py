"""Make the repositories that are missing at Gitaly."""

import json
from argparse import ArgumentParser
from collections import Counter
from typing import Any

from django.core.management.base import CommandError

from internal_api.management.operator import ExampleCommand
from repositories.models import Project
from repositories.selectors.namespaces import find_project
from repositories.services.repository_creation import not_made, provide_repositories


class Command(ExampleCommand):
    """`create_repositories --project gnuwget/wget2 --wikis`."""

    help = (
        "Make what is missing at Gitaly: the repositories of all projects, or of one. Exit code 1 when some could not be made or looked at."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", metavar="PATH", help="the full path of the only project to look at")
        parser.add_argument(
            "--wikis",
            action="store_true",
            help="make the wikis' repositories before their first push does; those that were pushed are made anyway",
        )
        parser.add_argument("--json", action="store_true", help="print the result as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print how many were made and how many were there, and those that are missing still."""
        projects = Project.objects.all()
        if options["project"]:
            found = find_project(options["project"]).first()
            if found is None:
                raise CommandError(f"There is no project {options['project']!r}.")
            projects = projects.filter(pk=found.pk)
        outcomes: Counter[bool] = Counter()
        missing = provide_repositories(
            projects,
            wikis=options["wikis"],
            made=lambda was_missing: outcomes.update([was_missing]),
            progress=lambda done, total: self.stderr.write(f"{done} of {total} projects"),
        )
        if options["json"]:
            told: dict[str, Any] = {"created": outcomes[True], "existing": outcomes[False], "not_created": [], "not_looked_at": []}
            for one in missing:
                told["not_created" if one.was_looked_at else "not_looked_at"].append({"path": one.path, "problem": one.problem})
            self.stdout.write(json.dumps(told))
        else:
            self.stdout.write(f"created: {outcomes[True]}\nexisting: {outcomes[False]}")
            for line in not_made(missing):
                self.stdout.write(line)
        unknown = sum(not one.was_looked_at for one in missing)
        if missing:
            counts = {"could not be looked at": unknown, "could not be made": len(missing) - unknown}
            raise CommandError(", ".join(f"{number} {what}" for what, number in counts.items() if number) + ".")
