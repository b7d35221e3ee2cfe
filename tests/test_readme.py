"""The README tells what there is: its endpoints are those that are served."""

import re
from pathlib import Path

from settings.environment import OPTIONS, SECRETS

README = Path(__file__).resolve().parents[1] / "README.md"


def test_secrets_are_settings() -> None:
    assert {option.name for option in OPTIONS} >= SECRETS


def test_the_endpoints_of_the_readme_are_served() -> None:
    from tests.test_every_route import ADDRESSES  # noqa: PLC0415  only here

    told = set(re.findall(r"`(?:GET|POST|PUT|DELETE) (/[a-z_/]+)`", README.read_text()))
    prefix = "/api/v4/internal"
    assert {prefix + path for path in told} == {address for address in ADDRESSES if address.startswith(prefix)}
