"""Personal access tokens that people ask for over SSH (contract: shell-endpoints 10, decisions 16)."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from django.utils import timezone

from accounts.errors import CommandRefusedError
from accounts.models import PersonalAccessToken, User
from accounts.models.personal_access_token import SCOPES
from accounts.services.personal_access_tokens import create_token
from internal_api.models import InstanceSettings

LONGEST_LIFE = timedelta(days=365)
LONGEST_NAME = 255
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_ISO = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d{2})-(?P<day>\d{2})"
    r"(?:[T ](?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.\d{1,9})?)?(?: ?(?:Z|UTC|[+-]\d{2}:?\d{2}))?)?",
    re.ASCII,
)
_COMPACT = re.compile(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})", re.ASCII)
_WORDS = re.compile(r"(?P<day>\d{1,2}) (?P<month>[A-Za-z]{3}) (?P<year>\d{4})", re.ASCII)


def parse_day(text: str) -> date | None:
    """`2030-01-31`, `20300131`, a timestamp, whose time is dropped, or `31 Jan 2030`; None for anything else."""
    match = _ISO.fullmatch(text) or _COMPACT.fullmatch(text) or _WORDS.fullmatch(text)
    if match is None:
        return None
    month = match["month"].lower()
    try:
        return date(int(match["year"]), _MONTHS.index(month) + 1 if month.isalpha() else int(month), int(match["day"]))
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """What was asked for, as it was sent."""

    name: str | None
    scopes: Any
    expires_at: Any


def create_requested_token(user: User, request: TokenRequest) -> tuple[PersonalAccessToken, str]:
    """The token and its clear text, shown this once. Raises CommandRefusedError; the first of several problems is told.

    A request that is repeated makes another token: the one whose answer was lost is known to nobody.
    """
    name = _name(request.name)
    scopes = _scopes(request.scopes)
    expires_at = _expiry(request.expires_at)
    if not user.is_active:
        raise _failed("Not permitted to create")
    if len(name) > LONGEST_NAME:
        raise _failed(f"Name is too long (maximum is {LONGEST_NAME} characters)")
    return create_token(user=user, name=name, scopes=scopes, expires_at=_bounded(expires_at))


def _failed(reason: str) -> CommandRefusedError:
    return CommandRefusedError(f"Failed to create token: {reason}")


def _name(name: str | None) -> str:
    if name is None or not name.strip():
        raise CommandRefusedError("No token name specified")
    return name


def _scopes(scopes: Any) -> Sequence[str]:
    if not isinstance(scopes, list) or not scopes:
        raise CommandRefusedError("No token scopes specified")
    unknown = next((scope for scope in scopes if scope not in SCOPES), None)
    if unknown is not None:
        raise CommandRefusedError(f"Invalid scope: '{unknown}'. Valid scopes are: {json.dumps(SCOPES)}")
    return scopes


def _expiry(value: Any) -> date | None:
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    parsed = parse_day(value.strip()) if isinstance(value, str) else None
    if parsed is None:
        raise CommandRefusedError(f"Invalid token expiry date: '{value}'")
    return parsed


def _bounded(expires_at: date | None) -> date | None:
    """The day within the instance's limit; its last one when none was asked for. Raises CommandRefusedError."""
    if not InstanceSettings.current().require_personal_access_token_expiry:
        return expires_at
    last = timezone.now().date() + LONGEST_LIFE
    if expires_at is not None and expires_at > last:
        raise _failed(f"Expiration date must be before {last.isoformat()}")
    return expires_at or last
