"""Print a token with which curl can speak as the Kubernetes agent server."""

from internal_api.management.commands import shell_token
from internal_api.service_tokens import KAS


class Command(shell_token.Command):
    """`curl --header "Gitlab-Kas-Api-Request: $(python manage.py kas_token)" ...`."""

    help = "Print a JWT for the header Gitlab-Kas-Api-Request; it is good for a minute."
    service = KAS
