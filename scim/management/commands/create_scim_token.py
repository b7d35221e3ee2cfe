"""Make or rotate a SCIM token."""

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError

from internal_api.management.operator import OperatorCommand
from repositories.selectors.namespaces import find_group
from scim.models import SamlProvider
from scim.services.tokens import rotate_token


class Command(OperatorCommand):
    """`create_scim_token --group acme`."""

    help = "Make a SCIM token and print it, this once; the former one stays valid for SCIM_TOKEN_GRACE seconds, or with --now for none."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--now", action="store_true", help="the former token is worthless at once, for one that has leaked")
        parser.add_argument("--group", help="a top-level group's path; without it the token is the instance's")

    def act(self, **options: Any) -> dict[str, Any]:
        path = options["group"]
        group = find_group(path) if path else None
        if path and group is None:
            raise CommandError(f"There is no group {path!r}.")
        _, clear = rotate_token(group, now=options["now"])
        if group is not None:
            SamlProvider.objects.get_or_create(group=group)  # a group without one has no SCIM
        address = f"groups/{group.route.path}" if group else "application"
        return {"address": f"{settings.EXTERNAL_URL}/api/scim/v2/{address}", "token": clear}
