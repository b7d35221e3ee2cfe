"""Try a webhook's receiver out."""

import os
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from internal_api.management.operator import OperatorCommand
from internal_api.outgoing import OutgoingError
from repositories.services.webhook_requests import is_success, send_sample
from repositories.webhook_payloads import sample


class Command(OperatorCommand):
    """`webhook_test https://ci.example.com/hook`."""

    help = "Send a made-up push to an address, as webhooks do and under the same rules, and tell what it answers. Nothing is stored."
    waits_for_the_network = True

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("url", help="the receiver's address")
        parser.add_argument("--token-from", metavar="VARIABLE", help="environment variable with the token to send and sign with")

    def act(self, **options: Any) -> dict[str, Any]:
        variable = options["token_from"]
        token = os.environ.get(variable) if variable else None
        if variable and not token:
            raise CommandError(f"The environment variable {variable} is not set.")
        try:
            reply = send_sample(options["url"], token, sample(settings.EXTERNAL_URL))
        except OutgoingError as error:
            raise CommandError(str(error)) from error
        if not is_success(reply.status):
            raise CommandError(f"The receiver answered {reply.status} after {reply.duration_ms} ms: {reply.body[:500]}")
        return {"status": reply.status, "duration_ms": reply.duration_ms, "body": reply.body[:500]}
