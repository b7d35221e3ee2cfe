"""Forget an SSH key."""

from argparse import ArgumentParser
from typing import Any

from accounts.selectors.ssh_keys import get_key
from accounts.services.ssh_keys import revoke_key
from internal_api.management.operator import OperatorCommand


class Command(OperatorCommand):
    """`revoke_key SHA256:...`."""

    help = "Forget an SSH key, a person's or a deploy key: it opens nothing from now on."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("key", help="its id, fingerprint (SHA256 or MD5), or the public key itself")

    def act(self, **options: Any) -> dict[str, Any]:
        key = get_key(options["key"])
        told = {
            "id": key.pk,
            "title": key.title,
            "fingerprint": f"SHA256:{key.fingerprint}",
            "user": key.user.username if key.user else None,
        }
        revoke_key(key)
        return told
