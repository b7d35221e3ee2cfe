"""The `users` section of a dumped seed file."""

from collections.abc import Iterator, Sequence
from typing import Any

from accounts.models import BLOCKED_STATES, ExtraEmail, KeyKind, PersonalAccessToken, SSHKey, User
from accounts.services.users import AccountState
from internal_api.seeding.dump import SectionDump, columns, grouped, in_batches, register_key_dump, register_section_dump

_COLUMNS = (
    "id", "username", "name", "email", "state", "user_type", "admin", "external", "ldap", "terms_accepted", "projects_limit",
    "password_expires_at", "kerberos_principal",
)  # fmt: skip
_KEY = ("id", "title", "key", "usage_type", "expires_at", "created_at")


def _users() -> Iterator[list[tuple[Any, dict[str, Any]]]]:
    for batch in in_batches(User.objects.all()):
        yield [(user, _values(user)) for user in batch]


def _values(user: User) -> dict[str, Any]:
    blocker = {"blocked_by": AccountState.of(user).blocked_by} if user.state in BLOCKED_STATES else {}
    return {**columns(user, *_COLUMNS), **blocker, "confirmed": user.email_confirmed}


def _extra_emails(users: Sequence[User]) -> dict[int, list[str]]:
    found = grouped(ExtraEmail.objects.filter(user__in=users).values_list("user_id", "email"))
    return {user: sorted(emails) for user, emails in found.items()}


def _keys(users: Sequence[User]) -> dict[int, list[dict[str, Any]]]:
    rows = SSHKey.objects.filter(user__in=users, kind=KeyKind.USER).order_by("pk").values("user_id", *_KEY)
    return grouped((row.pop("user_id"), row) for row in rows)


def _tokens(users: Sequence[User]) -> dict[int, list[dict[str, Any]]]:
    """Without their texts, which are not kept: they are made anew. Of several with one name the first is told."""
    found: dict[int, dict[str, dict[str, Any]]] = {}
    for token in PersonalAccessToken.objects.filter(user__in=users).order_by("pk"):
        found.setdefault(token.user_id, {}).setdefault(token.name, columns(token, "name", "scopes", "expires_at", "revoked"))
    return {user: list(tokens.values()) for user, tokens in found.items()}


def register() -> None:
    """Make the section and its keys known."""
    register_section_dump(SectionDump("users", 20, _users, User.objects.count))
    register_key_dump("users", "extra_emails", _extra_emails)
    register_key_dump("users", "keys", _keys)
    register_key_dump("users", "personal_access_tokens", _tokens)
