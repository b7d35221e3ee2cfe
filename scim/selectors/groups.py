"""Groups of the instance's identity provider (contract: scim 1.10)."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Max, Min, QuerySet

from scim.errors import SCIMNotFoundError
from scim.models import GroupMembership, Identity, SamlGroupLink, Scope
from scim.profiles import Page


@dataclass(frozen=True, slots=True)
class ProvidedGroup:
    """A group by the id that SCIM has given it."""

    uid: str
    name: str


def _named(rows: QuerySet[SamlGroupLink]) -> QuerySet[SamlGroupLink, dict[str, str]]:
    return rows.exclude(scim_group_uid="").values("scim_group_uid").annotate(name=Max("name"), first=Min("pk")).order_by("first")


def provided_groups(name: str | None, page: Page) -> tuple[int, list[ProvidedGroup]]:
    """How many there are, and a page of them in the order of creation. Two statements."""
    rows = SamlGroupLink.objects.filter(name=name) if name is not None else SamlGroupLink.objects.all()
    found = _named(rows)
    shown = found[page.offset : page.offset + page.size]
    return found.count(), [ProvidedGroup(row["scim_group_uid"], row["name"]) for row in shown]


def get_provided_group(uid: str) -> ProvidedGroup:
    """The group of that id. Raises SCIMNotFoundError."""
    row = _named(SamlGroupLink.objects.filter(scim_group_uid=uid)).first() if uid and "\x00" not in uid else None
    if row is None:
        raise SCIMNotFoundError(f"Group {uid} not found")
    return ProvidedGroup(row["scim_group_uid"], row["name"])


def members_of(uids: Iterable[str], scope: Scope) -> dict[str, list[dict[str, str]]]:
    """For each group its members, as the identity provider knows them. Two statements."""
    memberships = list(
        GroupMembership.objects.filter(scim_group_uid__in=list(uids)).order_by("pk").values_list("scim_group_uid", "user_id")
    )
    identities = Identity.objects.filter(scope=scope, deleted_at__isnull=True, user__in={user for _, user in memberships})
    people = {user: (uid, name) for user, uid, name in identities.values_list("user_id", "extern_uid", "user__name")}
    found: dict[str, list[dict[str, str]]] = {}
    for group_uid, user_id in memberships:
        if user_id in people:
            extern_uid, name = people[user_id]
            found.setdefault(group_uid, []).append({"value": extern_uid, "display": name, "type": "User"})
    return found
