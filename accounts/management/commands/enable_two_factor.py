"""Enrol a user for the second factor."""

import io
from argparse import ArgumentParser
from typing import Any

import qrcode

from accounts.selectors.users import get_user
from accounts.services.second_factor import disable_two_factor, enable_two_factor
from internal_api.management.operator import OperatorCommand


def qr_code(text: str) -> str:
    """A QR code of half-block characters, for a terminal."""
    code = qrcode.QRCode(border=2)
    code.add_data(text)
    drawing = io.StringIO()
    code.print_ascii(out=drawing, invert=True)
    return drawing.getvalue()


class Command(OperatorCommand):
    """`enable_two_factor ann`."""

    help = "Enrol a user for the second factor: print the address and its QR code for an authenticator, this once."

    def arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("username")
        parser.add_argument("--replace", action="store_true", help="forget the present second factor and its recovery codes")

    def act(self, **options: Any) -> dict[str, Any]:
        user = get_user(options["username"])
        if options["replace"]:
            disable_two_factor(user)
        uri = enable_two_factor(user)
        if not options["json"]:
            self.stdout.write(qr_code(uri))
        return {"username": user.username, "uri": uri}
