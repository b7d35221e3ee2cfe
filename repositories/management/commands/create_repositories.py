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

    help = "Make what is missing at Gitaly: the repositories of all projects, or of one. Exit code 1 when some could not be made."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--project", metavar="PATH", help="the full path of the only project to look at")
        parser.add_argument("--wikis", action="store_true", help="make the wikis' repositories too, before their first push does")
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
            told = [{"path": one.path, "problem": one.problem} for one in missing]
            self.stdout.write(json.dumps({"created": outcomes[True], "existing": outcomes[False], "not_created": told}))
        else:
            self.stdout.write(f"created: {outcomes[True]}\nexisting: {outcomes[False]}")
            for line in not_made(missing):
                self.stdout.write(line)
        if missing:
            raise CommandError(f"{len(missing)} could not be made.")
