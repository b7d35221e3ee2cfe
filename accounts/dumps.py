"""The `users` section of a dumped seed file."""

from collections.abc import Iterator
from typing import Any

from accounts.models import BLOCKED_STATES, KeyKind, User
from accounts.services.users import AccountState
from internal_api.seeding.dump import columns, register_key_dump, register_section_dump

_COLUMNS = (
    "id", "username", "name", "email", "state", "user_type", "admin", "external", "ldap", "terms_accepted", "projects_limit",
    "password_expires_at", "kerberos_principal",
)  # fmt: skip


def _users() -> Iterator[tuple[Any, dict[str, Any]]]:
    for user in User.objects.order_by("pk"):
        blocker = {"blocked_by": AccountState.of(user).blocked_by} if user.state in BLOCKED_STATES else {}
        yield user, {**columns(user, *_COLUMNS), **blocker, "confirmed": user.email_confirmed}


def _keys(user: User) -> list[dict[str, Any]]:
    names = ("id", "title", "key", "usage_type", "expires_at", "created_at")
    return [columns(key, *names) for key in user.ssh_keys.filter(kind=KeyKind.USER).order_by("pk")]


def _tokens(user: User) -> list[dict[str, Any]]:
    """Without their texts, which are not kept: they are made anew. Of several with one name the first is told."""
    found: dict[str, dict[str, Any]] = {}
    for token in user.personal_access_tokens.order_by("pk"):
        found.setdefault(token.name, columns(token, "name", "scopes", "expires_at", "revoked"))
    return list(found.values())


def register() -> None:
    """Make the section and its keys known."""
    register_section_dump("users", 20, _users)
    register_key_dump("users", "extra_emails", lambda user: sorted(extra.email for extra in user.extra_emails.all()))
    register_key_dump("users", "keys", _keys)
    register_key_dump("users", "personal_access_tokens", _tokens)
