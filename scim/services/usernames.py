"""Usernames for people who are provisioned (contract: scim 1.7)."""

from django.db.models.functions import Lower

from accounts.models import User
from repositories.models import Route
from repositories.policy.repository_path import RESERVED_TOP_LEVEL_NAMES
from scim.usernames import clean_username

_SUFFIXES_AT_ONCE = 20


def free_username(wanted: str) -> str:
    """The cleaned name, or that with the first number that makes it free; groups' paths and reserved names are not."""
    base = clean_username(wanted)
    start = 0
    while True:
        candidates = [f"{base}{number or ''}" for number in range(start, start + _SUFFIXES_AT_ONCE)]
        lowered = [name.lower() for name in candidates]
        taken = _taken(lowered) | RESERVED_TOP_LEVEL_NAMES
        free = next((name for name in candidates if name.lower() not in taken), None)
        if free is not None:
            return free
        start += _SUFFIXES_AT_ONCE


def _taken(lowered: list[str]) -> set[str]:
    routes = Route.objects.annotate(path_lower=Lower("path")).filter(path_lower__in=lowered).values_list("path_lower", flat=True)
    users = (
        User.objects.annotate(username_lower=Lower("username")).filter(username_lower__in=lowered).values_list("username_lower", flat=True)
    )
    return {*routes, *users}
