"""What is wrong, and what to do."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from internal_api.doctor import Consultation, Finding, Level, examine
from internal_api.management.operator import ExampleCommand


class Command(ExampleCommand):
    """`doctor --url http://nginx:8080 --secret-file /etc/gitlab-shell/secret`."""

    help = "Look at everything that a clone or a push needs; one line each, and what to do. Exit code 1 when something does not work."
    requires_system_checks = ()
    _SIGNS = {Level.WELL: "ok     ", Level.WARNING: "warning", Level.PROBLEM: "PROBLEM"}

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", action="append", default=[], help="address at which clients ask, as in gitlab_url; may be repeated")
        parser.add_argument("--secret-file", help="the file GitLab Shell or Gitaly reads, to be compared with ours")
        parser.add_argument("--repositories", action="store_true", help="look at Gitaly for the repository of each project too")
        parser.add_argument("--sshd-config", metavar="FILE", help="the sshd_config of an OpenSSH that GitLab Shell is behind")
        parser.add_argument("--seconds", type=float, default=5.0, help="how long to wait for each answer")
        parser.add_argument("--json", action="store_true", help="print the findings as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the findings as they come."""
        findings = []
        said = {name: options[name] for name in ("secret_file", "seconds", "sshd_config", "repositories")}
        for finding in examine(Consultation(options["url"], **said, progress=self.stderr.write)):
            findings.append(finding)
            if not options["json"]:
                self._tell(finding)
        if options["json"]:
            told = [{"name": found.name, "level": found.level, "text": found.text, "advice": found.advice} for found in findings]
            self.stdout.write(json.dumps(told))
        if any(finding.level == Level.PROBLEM for finding in findings):
            sys.exit(1)

    def _tell(self, finding: Finding) -> None:
        style = {Level.WELL: self.style.SUCCESS, Level.WARNING: self.style.WARNING, Level.PROBLEM: self.style.ERROR}[finding.level]
        advice = f" -> {finding.advice}" if finding.advice else ""
        self.stdout.write(f"{style(self._SIGNS[finding.level])} {finding.name}: {finding.text}{advice}")
