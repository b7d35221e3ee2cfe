"""`saml`, `saml_group_links`, `scim_token` and `scim_identities` of groups, and `instance_scim`, in a seed file."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Lower

from accounts.models import User
from accounts.selectors.users import get_user, users_by_name
from internal_api.digests import token_digest
from internal_api.seeding import Entry, Report, Section, SeedError, register_key, register_section
from internal_api.seeding.entries import boolean, children, choice, integer, located, text, texts
from internal_api.seeding.registry import TogetherError
from internal_api.seeding.rows import checked, distinct, update
from internal_api.seeding.together import Changes, insert_rows
from internal_api.stored_values import create_row
from internal_api.text import ascii_lower
from repositories.models import AccessLevel, Namespace
from scim.models import Identity, SamlGroupLink, SamlProvider, SCIMToken, Scope
from scim.selectors.identities import by_extern_uid
from scim.services.tokens import rotate_token, scope_of

_ROLES = {level.name.lower(): level.value for level in AccessLevel}
_IDENTITY = {"id", "user", "extern_uid", "active"}


def _top_level(entry: Entry, group: Namespace, key: str) -> None:
    if group.parent_id is not None:
        raise entry.problem(key, "is for top-level groups")


def load_saml(report: Report, group: Namespace, entry: Entry, key: str) -> None:
    """Make or change the group's identity provider."""
    _top_level(entry, group, key)
    inner = Entry(entry.values[key], entry.at(key), {"enabled", "default_membership_role", "allowed_email_domains", "absent"})
    row = SamlProvider.objects.filter(group=group).first()
    if inner.is_absent:
        if row is not None:
            row.delete()
        report.count("saml", "unchanged" if row is None else "removed")
        return
    values = inner.fields(
        {
            "enabled": boolean,
            "default_membership_role": choice(_ROLES),
            "allowed_email_domains": checked(SamlProvider, "allowed_email_domains", texts),
        }
    )
    if "default_membership_role" in values:
        values["default_role"] = _ROLES[values.pop("default_membership_role")]
    if row is None:
        create_row(SamlProvider, group=group, **values)
        report.count("saml", "created")
    else:
        report.changed("saml", update(row, values))


def load_links(report: Report, group: Namespace, entry: Entry, key: str) -> None:
    """Make or remove SAML group links."""
    for child in children(entry.values[key], entry.at(key), {"name", "access_level"}):
        level = _ROLES[child.read("access_level", choice(_ROLES))]
        rows = SamlGroupLink.objects.filter(group=group, name=child.read("name", text), access_level=level)
        if child.is_absent:
            report.count("saml_group_links", "removed" if rows.delete()[0] else "unchanged")
        elif rows.exists():
            report.count("saml_group_links", "unchanged")
        else:
            # A name that SCIM has linked already keeps its id for new links too.
            uid = (
                SamlGroupLink.objects.filter(name=child.values["name"]).exclude(scim_group_uid="").values_list("scim_group_uid", flat=True)
            )
            create_row(SamlGroupLink, group=group, name=child.read("name", text), access_level=level, scim_group_uid=uid.first() or "")
            report.count("saml_group_links", "created")


def load_token(report: Report, group: Namespace | None, entry: Entry, key: str) -> None:
    """Make the scope's token this one; one without a text is generated when there is none yet."""
    value = entry.values[key]
    inner = Entry({"token": value} if isinstance(value, str) else value, entry.at(key), {"token"})
    clear = inner.get("token", text)
    row = SCIMToken.objects.filter(scope__group=group).first()
    if row is not None and (clear is None or row.token_digest == token_digest(clear)):
        report.count("scim_tokens", "unchanged")
        return
    with located(inner.path):
        _, secret = rotate_token(group, token=clear)
    report.count("scim_tokens", "created" if row is None else "changed")
    if clear is None:
        report.secret("scim_token", group.path if group else "instance", secret)


def load_identities(report: Report, group: Namespace | None, entry: Entry, key: str) -> None:
    """Make or change identities; membership and blocking are said elsewhere in a file."""
    scope = scope_of(group)
    for child in children(entry.values[key], entry.at(key), _IDENTITY):
        with located(child.path):
            _load_identity(report, scope, child)


def _load_identity(report: Report, scope: Scope, entry: Entry) -> None:
    extern_uid = entry.read("extern_uid", checked(Identity, "extern_uid", text))
    row = by_extern_uid(Identity.objects.filter(scope=scope), extern_uid).first()
    if entry.is_absent:
        if row is not None:
            _remove(scope, row)
        report.count("scim_identities", "unchanged" if row is None else "removed")
        return
    user: User = get_user(entry.read("user", text))
    others = Identity.objects.filter(scope=scope, user=user).exclude(extern_uid__iexact=extern_uid)
    if others.exists():
        raise entry.problem("user", "has an identity already")
    if row is not None and row.user_id != user.pk:
        raise entry.problem("user", "is not whose identity it is")
    if row is None:
        Identity.objects.create(
            scope=scope, user=user, extern_uid=extern_uid, active=entry.get("active", boolean, default=True), **_id(entry)
        )
        Scope.objects.filter(pk=scope.pk).update(identity_count=F("identity_count") + 1)
        report.count("scim_identities", "created")
    else:
        report.changed("scim_identities", update(row, entry.fields({"active": boolean})))


def _load_identities_of_many(report: Report, waiting: Sequence[tuple[Namespace | None, Entry]], key: str) -> None:
    """The same for some scopes: users and identities are read together, and new ones are made together."""
    extern = checked(Identity, "extern_uid", text)
    found = []
    scopes: dict[int, Scope] = {}
    for group, entry in waiting:
        scope = scope_of(group)
        scope.group = group
        scopes[scope.pk] = scope
        found += [(scope, child) for child in children(entry.values[key], entry.at(key), _IDENTITY)]
    uids = distinct((scope.pk, child.read("extern_uid", extern).lower()) for scope, child in found)
    users = users_by_name(child.read("user", text) for _, child in found)
    rows = Identity.objects.filter(scope__in=scopes)
    of_users = {(row.scope_id, row.user_id): row for row in rows.filter(user__in=[user.pk for user in users.values()])}
    of_uids = rows.annotate(extern_uid_lower=Lower("extern_uid")).filter(extern_uid_lower__in={uid for _, uid in uids})
    present = {(row.scope_id, row.extern_uid.lower()): row for row in of_uids}
    changes, new, taken = Changes(report, "scim_identities"), [], set()
    for (scope, child), uid in zip(found, uids, strict=True):
        user = users.get(ascii_lower(child.read("user", text)))
        row = present.get(uid)
        if child.is_absent or user is None or (scope.pk, user.pk) in taken or _pk(of_users.get((scope.pk, user.pk))) != _pk(row):
            raise TogetherError
        taken.add((scope.pk, user.pk))
        if row is None:
            active = child.get("active", boolean, default=True)
            new.append(Identity(scope=scope, user=user, extern_uid=child.values["extern_uid"], active=active, **_id(child)))
        else:
            changes.add(row, child.fields({"active": boolean}))
    insert_rows(new)
    for pk, number in Counter(row.scope_id for row in new).items():
        Scope.objects.filter(pk=pk).update(identity_count=F("identity_count") + number)
    report.count("scim_identities", "created", len(new))
    changes.write()


def _pk(row: Identity | None) -> int | None:
    return row.pk if row else None


def _id(entry: Entry) -> dict[str, Any]:
    return {"id": entry.read("id", integer)} if "id" in entry else {}


def _remove(scope: Scope, row: Identity) -> None:
    with transaction.atomic():
        if row.deleted_at is None:
            Scope.objects.filter(pk=scope.pk).update(identity_count=F("identity_count") - 1)
        row.delete()


def load_instance(report: Report, entry: Entry) -> Scope | None:
    """The instance's token and identities."""
    if "token" in entry:
        load_token(report, None, entry, "token")
    return scope_of(None)


def load_instance_identities(report: Report, scope: Scope, entry: Entry, key: str) -> None:
    """The instance's identities, when users are there."""
    load_identities(report, None, entry, key)


def _token_of_group(report: Report, group: Namespace, entry: Entry, key: str) -> None:
    _top_level(entry, group, key)
    if not isinstance(entry.values[key], str | dict):
        raise SeedError(entry.at(key), "is not a token")
    load_token(report, group, entry, key)


def _identities_of_group(report: Report, group: Namespace, entry: Entry, key: str) -> None:
    _top_level(entry, group, key)
    load_identities(report, group, entry, key)


def _identities_of_groups(report: Report, waiting: Sequence[tuple[Namespace, Entry]], key: str) -> None:
    for group, entry in waiting:
        _top_level(entry, group, key)
    _load_identities_of_many(report, waiting, key)


def _identities_of_instance(report: Report, waiting: Sequence[tuple[Scope, Entry]], key: str) -> None:
    _load_identities_of_many(report, [(None, entry) for _, entry in waiting], key)


def register() -> None:
    """Make the section and the keys known."""
    register_key("groups", "saml", 300, load_saml)
    register_key("groups", "saml_group_links", 310, load_links)
    register_key("groups", "scim_token", 320, _token_of_group)
    register_key("groups", "scim_identities", 330, _identities_of_group, model=Identity, load_many=_identities_of_groups)
    register_section(Section("instance_scim", order=50, keys={"token"}, load=load_instance, many=False))
    register_key("instance_scim", "identities", 340, load_instance_identities, model=Identity, load_many=_identities_of_instance)
