"""The `users` section of a seed file, with people's keys and tokens."""

import base64
import binascii
from collections.abc import Sequence
from typing import Any

from django.db.models.functions import Lower

from accounts.models import (
    BLOCKED_STATES,
    BlockedBy,
    ExtraEmail,
    PersonalAccessToken,
    SSHKey,
    UsageType,
    User,
    UserState,
    UserType,
    default_blocker,
)
from accounts.services.personal_access_tokens import create_token, new_token
from accounts.services.ssh_keys import add_user_key, create_keys, new_user_key
from accounts.services.users import change_user, create_user, create_users, new_user, set_extra_emails
from accounts.ssh.public_key import InvalidPublicKeyError, parse_public_key
from internal_api.digests import token_digest
from internal_api.models import InstanceSettings
from internal_api.seeding import Entry, Report, Section, SeedError, register_key, register_section
from internal_api.seeding.entries import Parser, boolean, children, choice, day, integer, located, moment, optional, text, texts
from internal_api.seeding.registry import TogetherError
from internal_api.seeding.rows import checked, distinct, matched_row, new_id, one_row, rows_by_id, update
from internal_api.seeding.together import Changes, create_rows, insert_rows
from internal_api.text import ascii_lower

LEAST_SECRET_BYTES = 14  # 112 bits, as RFC 4226 wants

_FIELDS: dict[str, Parser] = {
    "name": text,
    "email": text,
    "confirmed": boolean,
    "password_expires_at": optional(moment),
    "admin": boolean,
    "external": boolean,
    "state": choice(UserState.values),
    "blocked_by": choice(BlockedBy.values),
    "ldap": boolean,
    "user_type": choice(UserType.values),
    "terms_accepted": boolean,
    "projects_limit": integer,
    "kerberos_principal": optional(text),
}
_KEY = {"id", "title", "key", "usage_type", "expires_at", "created_at"}
_TOKEN = {"id", "name", "token", "scopes", "expires_at", "revoked"}


def _totp_secret(value: Any, path: str) -> str:
    secret = text(value, path).replace(" ", "").upper()
    try:
        raw = base64.b32decode(secret + "=" * (-len(secret) % 8))
    except binascii.Error:
        raise SeedError(path, "is not base32") from None
    if len(raw) < LEAST_SECRET_BYTES:
        raise SeedError(path, f"is shorter than {LEAST_SECRET_BYTES} bytes")
    return secret


def load_user(report: Report, entry: Entry) -> User | None:
    """Make or change one user; None when the entry removes it."""
    username = entry.read("username", text)
    user: User | None = matched_row(entry, User.objects.all(), User.matching_username(username), f"user {username!r}")
    if user is not None or entry.is_absent:
        return _change_user(report, entry, user)
    user = create_user(**_new_user_values(entry))
    report.count("users", "created")
    return user


def load_users(report: Report, entries: Sequence[Entry]) -> list[User | None]:
    """The same for some entries: those that are there already are read together, and new ones are made together."""
    names = distinct(ascii_lower(entry.read("username", text)) for entry in entries)
    found = User.objects.annotate(username_lower=Lower("username")).filter(username_lower__in=names)
    by_name = {ascii_lower(user.username): user for user in found}
    by_id = rows_by_id(entries, User.objects.all())
    rows: list[User | None] = []
    new: list[User] = []
    for entry, name in zip(entries, names, strict=True):
        user = one_row(entry, by_name.get(name), by_id.get(entry.values.get("id", 0)), name)
        if user is None and not entry.is_absent:
            new.append(new_user(**_new_user_values(entry)))
            rows.append(new[-1])
        else:
            rows.append(_change_user(report, entry, user))
    create_users(new)
    report.count("users", "created", len(new))
    return rows


def _change_user(report: Report, entry: Entry, user: User | None) -> User | None:
    """Change a user, or remove it as the entry says; None when it is no more, or never was."""
    if entry.is_absent or user is None:
        _remove(report, "users", user)
        return None
    report.changed("users", change_user(user, entry.get("password", optional(text)), **_user_values(entry, user)))
    return user


def _new_user_values(entry: Entry) -> dict[str, Any]:
    username = entry.read("username", text)
    values = {"email": f"{username}@example.com", **_user_values(entry, None)}
    return {"username": username, "password": entry.get("password", optional(text)), **values, **new_id(entry)}


def _user_values(entry: Entry, user: User | None) -> dict[str, Any]:
    """What an entry says of a user's own columns."""
    values = entry.fields(_FIELDS)
    if "confirmed" in values:
        values["email_confirmed"] = values.pop("confirmed")
    if "two_factor_secret" in entry:
        values["otp_secret"] = entry.read("two_factor_secret", optional(_totp_secret))
    _check_blocker(entry, user, values)
    return values


def _check_blocker(entry: Entry, user: User | None, values: dict[str, Any]) -> None:
    """Complete `blocked_by`, which is the administrator's unless the file names another. Raises SeedError."""
    state = values.get("state", user.state if user else UserState.ACTIVE)
    if state not in BLOCKED_STATES and "blocked_by" in values:
        raise entry.problem("blocked_by", f"needs a state that blocks: {', '.join(sorted(BLOCKED_STATES))}")
    if "state" in values:
        values.setdefault("blocked_by", default_blocker(state) if state in BLOCKED_STATES else "")


def _remove(report: Report, kind: str, row: Any) -> None:
    if row is None:
        report.count(kind, "unchanged")
        return
    row.delete()
    report.count(kind, "removed")


def load_extra_emails(report: Report, user: User, entry: Entry, key: str) -> None:
    """Make these the user's further addresses."""
    report.changed("users", set_extra_emails(user, entry.read(key, texts)))


def load_extra_emails_of_users(report: Report, waiting: Sequence[tuple[User, Entry]], key: str) -> None:
    """The same for some users."""
    users = distinct(user.pk for user, _ in waiting)
    present: dict[int, dict[str, int]] = {}
    for pk, user_id, email in ExtraEmail.objects.filter(user__in=users).values_list("pk", "user_id", "email"):
        present.setdefault(user_id, {})[email] = pk
    new: list[ExtraEmail] = []
    gone: dict[int, str] = {}
    for user, entry in waiting:
        wanted, found = set(entry.read(key, texts)), present.get(user.pk, {})
        report.changed("users", wanted != set(found))
        new += [ExtraEmail(user=user, email=email) for email in sorted(wanted - set(found))]
        gone |= {pk: email for email, pk in found.items() if email not in wanted}
    if {email.lower() for email in gone.values()} & {extra.email.lower() for extra in new}:
        raise TogetherError  # an address that goes from one user to another: the order counts
    if gone:
        ExtraEmail.objects.filter(pk__in=gone).delete()
    create_rows(new)


def load_keys(report: Report, user: User, entry: Entry, key: str) -> None:
    """Make or change the user's keys; they are looked up together, since there may be thousands."""
    found = list(children(entry.values[key], entry.at(key), _KEY))
    parsed = [parse(child) for child in found]
    known = known_keys([one.fingerprint for one in parsed])
    for number, (child, one) in enumerate(zip(found, parsed, strict=True), 1):
        with located(child.path):
            load_key(report, user, child, known.get(one.fingerprint))
        if number % 1000 == 0:
            report.progress("keys", number, len(found))


def known_keys(fingerprints: Sequence[str]) -> dict[str, SSHKey]:
    """The keys that are there of those with these fingerprints, by them."""
    return {
        row.fingerprint: row
        for start in range(0, len(fingerprints), 500)
        for row in SSHKey.objects.filter(fingerprint__in=fingerprints[start : start + 500])
    }


def load_keys_of_users(report: Report, waiting: Sequence[tuple[User, Entry]], key: str) -> None:
    """The same for some users: new keys are made together."""
    found = [(user, child) for user, entry in waiting for child in children(entry.values[key], entry.at(key), _KEY)]
    fingerprints = distinct(parse(child).fingerprint for _, child in found)
    known = known_keys(fingerprints)
    rules = (report.former, InstanceSettings.current())
    new: list[SSHKey] = []
    for (user, child), fingerprint in zip(found, fingerprints, strict=True):
        row = known.get(fingerprint)
        if row is None and not child.is_absent:
            new.append(new_user_key(user=user, key=child.values["key"], rules=rules, **_key_values(child), **new_id(child)))
        else:
            load_key(report, user, child, row)
    create_keys(new)
    report.count("keys", "created", len(new))


def parse(entry: Entry) -> Any:
    """The key of an entry. Raises SeedError."""
    try:
        return parse_public_key(entry.read("key", text))
    except InvalidPublicKeyError as error:
        raise entry.problem("key", error) from error


def load_key(report: Report, user: User, entry: Entry, row: SSHKey | None) -> None:
    """Make or change one key of a user, of which `row` is what there is already."""
    if entry.is_absent:
        _remove(report, "keys", row)
        return
    values = _key_values(entry)
    if row is None:
        add_user_key(user=user, key=entry.values["key"], rules=(report.former, None), may_be_expired=True, **values, **new_id(entry))
        report.count("keys", "created")
        return
    if row.user_id != user.pk or row.kind != "key":
        raise entry.problem("key", "belongs to somebody else")
    if entry.get("id", integer, row.pk) != row.pk:
        raise entry.problem("id", f"the key has the id {row.pk} already")
    report.changed("keys", update(row, values))


def _key_values(entry: Entry) -> dict[str, Any]:
    values = entry.fields(
        {
            "title": checked(SSHKey, "title", text),
            "usage_type": choice(UsageType.values),
            "expires_at": optional(moment),
            "created_at": optional(moment),
        }
    )
    if values.get("created_at", True) is None:
        del values["created_at"]
    return values


def load_tokens(report: Report, user: User, entry: Entry, key: str) -> None:
    """Make or change the user's tokens; one without a `token` matches by name, and gets a generated one when it is new."""
    for child in children(entry.values[key], entry.at(key), _TOKEN):
        with located(child.path):
            load_token(report, user, child)


def load_tokens_of_users(report: Report, waiting: Sequence[tuple[User, Entry]], key: str) -> None:
    """The same for some users: new tokens are made together."""
    by_digest: dict[tuple[int, str], PersonalAccessToken] = {}
    by_name: dict[tuple[int, str], PersonalAccessToken] = {}
    for token in PersonalAccessToken.objects.filter(user__in=[user for user, _ in waiting]).order_by("pk"):
        by_name.setdefault((token.user_id, token.name), token)
        by_digest[token.user_id, token.token_digest] = token
    changes, new = Changes(report, "personal_access_tokens"), []
    names: set[tuple[int, str]] = set()
    for user, child in ((user, child) for user, entry in waiting for child in children(entry.values[key], entry.at(key), _TOKEN)):
        clear, name = child.get("token", optional(text)), child.get("name", text, "token")
        row = by_digest.get((user.pk, token_digest(clear))) if clear else by_name.get((user.pk, name))
        if child.is_absent or (row is None and (user.pk, name) in names):
            raise TogetherError
        values = _token_values(child)
        if row is not None:
            changes.add(row, values)
            continue
        names.add((user.pk, name))
        chosen = {"scopes": ["api"], "expires_at": None, "revoked": False, **values, **new_id(child)}
        made, secret = new_token(user=user, name=name, token=clear, **chosen)
        made.clean_fields(exclude={"user", "scopes", "token_digest"})
        new.append(made)
        if not clear:
            report.secret("personal_access_token", f"{user.username}/{name}", secret)
    insert_rows(new)
    report.count("personal_access_tokens", "created", len(new))
    changes.write()


def _token_values(entry: Entry) -> dict[str, Any]:
    return entry.fields({"scopes": checked(PersonalAccessToken, "scopes", texts), "expires_at": optional(day), "revoked": boolean})


def load_token(report: Report, user: User, entry: Entry) -> None:
    """Make or change one token."""
    clear = entry.get("token", optional(text))
    name = entry.get("name", text, "token")
    rows = PersonalAccessToken.objects.filter(user=user)
    row = rows.filter(token_digest=token_digest(clear)).first() if clear else rows.filter(name=name).first()
    if entry.is_absent:
        _remove(report, "personal_access_tokens", row)
        return
    values = _token_values(entry)
    if row is None:
        scopes, expires_at = values.get("scopes", ["api"]), values.get("expires_at")
        chosen = {**new_id(entry), "revoked": values.get("revoked", False)}
        row, secret = create_token(user=user, name=name, scopes=scopes, expires_at=expires_at, token=clear, **chosen)
        report.count("personal_access_tokens", "created")
        if not clear:
            report.secret("personal_access_token", f"{user.username}/{name}", secret)
        return
    report.changed("personal_access_tokens", update(row, values))


def register() -> None:
    """Make the section and its keys known."""
    keys = {"id", "username", "password", "two_factor_secret", *_FIELDS}
    register_section(Section("users", order=20, keys=keys, load=load_user, load_many=load_users, model=User))
    register_key("users", "extra_emails", 10, load_extra_emails, load_many=load_extra_emails_of_users, whole=True)
    register_key("users", "keys", 20, load_keys, model=SSHKey, load_many=load_keys_of_users)
    register_key("users", "personal_access_tokens", 30, load_tokens, model=PersonalAccessToken, load_many=load_tokens_of_users)
