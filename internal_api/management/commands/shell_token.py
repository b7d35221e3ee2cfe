"""Print a token with which curl can speak as GitLab Shell."""

from typing import Any

from internal_api.management.operator import ExampleCommand
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import SHELL, Service


class Command(ExampleCommand):
    """`curl --header "Gitlab-Shell-Api-Request: $(python manage.py shell_token)" ...`."""

    help = "Print a JWT for the header Gitlab-Shell-Api-Request; it is good for a minute."
    service: Service = SHELL

    def handle(self, *args: Any, **options: Any) -> None:
        """Sign with the current secret."""
        self.stdout.write(self.service.issue(service_secrets(self.service)[0]))
