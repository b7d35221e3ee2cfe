"""The README tells what there is: its table of settings is the code's."""

import re
from pathlib import Path

from settings.environment import OPTIONS, SECRETS, Option

README = Path(__file__).resolve().parents[1] / "README.md"


def default_of(option: Option) -> str:
    if isinstance(option.default, list):
        return ",".join(option.default)
    return str(option.default).lower() if isinstance(option.default, bool) else str(option.default)


def row(option: Option) -> str:
    default = default_of(option)
    return f"| `{option.name}` | {f'`{default}`' if default else ''} | {option.meaning} |".replace("|  |", "| |")


def test_the_table_of_settings_is_the_codes() -> None:
    found = re.findall(r"^\| `[A-Z_]+` \|.*\|$", README.read_text(), re.MULTILINE)
    assert found == [row(option) for option in OPTIONS]


def test_secrets_are_settings() -> None:
    assert {option.name for option in OPTIONS} >= SECRETS


def test_the_endpoints_of_the_readme_are_served() -> None:
    from tests.test_every_route import ADDRESSES  # noqa: PLC0415  only here

    told = set(re.findall(r"`(?:GET|POST|PUT|DELETE) (/[a-z_/]+)`", README.read_text()))
    prefix = "/api/v4/internal"
    assert {prefix + path for path in told} == {address for address in ADDRESSES if address.startswith(prefix)}
