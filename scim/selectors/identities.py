"""Reading identities: one, a page, or those that a filter finds (contract: scim 1.5, 1.6)."""

from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import QuerySet
from django.db.models.functions import Lower

from accounts.models import ExtraEmail, User
from scim.errors import SCIMNotFoundError
from scim.filters import Term
from scim.models import GroupMembership, Identity, SamlGroupLink, Scope
from scim.profiles import Page


def visible(scope: Scope) -> QuerySet[Identity]:
    """All but the deleted ones."""
    return Identity.objects.filter(scope=scope, deleted_at__isnull=True)


def by_extern_uid(rows: QuerySet[Identity], extern_uid: str) -> QuerySet[Identity]:
    """In any letter case, by the index behind the unique constraint."""
    return rows.annotate(extern_uid_lower=Lower("extern_uid")).filter(extern_uid_lower=extern_uid.lower())


def find_identity(scope: Scope, extern_uid: str, *, deleted: bool = False) -> Identity | None:
    """The identity of that external id, with its user; a deleted one only when it is asked for."""
    rows = Identity.objects.filter(scope=scope) if deleted else visible(scope)
    return by_extern_uid(rows, extern_uid).select_related("user").first()


def get_identity(scope: Scope, extern_uid: str, *, deleted: bool = False) -> Identity:
    """The same. Raises SCIMNotFoundError."""
    identity = find_identity(scope, extern_uid, deleted=deleted) if "\x00" not in extern_uid else None
    if identity is None:
        raise SCIMNotFoundError(f"Resource {extern_uid} not found")
    return identity


def identity_page(scope: Scope, page: Page) -> list[Identity]:
    """A page in the order of creation. Ids first, read from the nearer end of the index, then the rows: one statement."""
    total, ids = scope.identity_count, visible(scope).values("pk")
    remaining = total - page.offset
    if remaining <= 0:
        return []
    size = min(page.size, remaining)
    if page.offset <= total // 2:
        wanted = ids.order_by("pk")[page.offset : page.offset + size]
    else:
        wanted = ids.order_by("-pk")[remaining - size : remaining]
    return list(Identity.objects.filter(pk__in=wanted).select_related("user").order_by("pk"))


def filtered_identities(scope: Scope, terms: Sequence[Term]) -> list[Identity]:
    """The identities for which all terms hold: at most one, since each term names one."""
    found: Identity | None = None
    for term in terms:
        match = find_identity(scope, term.value) if term.attribute == "extern_uid" else _by_username(scope, term.value)
        if match is None or (found is not None and found.pk != match.pk):
            return []
        found = match
    return [found] if found is not None else []


def _by_username(scope: Scope, value: str) -> Identity | None:
    """By external id, else by username, else by e-mail address, else by the name before its `@`."""
    identity = find_identity(scope, value)
    if identity is not None:
        return identity
    user = User.matching_username(value).first() or _by_email(value)
    return None if user is None else visible(scope).filter(user=user).select_related("user").first()


def _by_email(value: str) -> User | None:
    try:
        validate_email(value)
    except ValidationError:
        return None
    user: User | None = find_user_by_email(value) or User.matching_username(value.partition("@")[0]).first()
    return user


def find_user_by_email(email: str) -> User | None:
    """Whoever owns the address, as the primary or a further one."""
    user = User.objects.annotate(email_lower=Lower("email")).filter(email_lower=email.lower()).first()
    if user is not None:
        return user
    extra = ExtraEmail.objects.annotate(email_lower=Lower("email")).filter(email_lower=email.lower()).select_related("user").first()
    return extra.user if extra else None


def groups_of(identities: Sequence[Identity]) -> dict[int, list[dict[str, str]]]:
    """For each user the groups of the identity provider they are in; a group without a link is left out. Two statements at most."""
    memberships = list(
        GroupMembership.objects.filter(user__in=[identity.user_id for identity in identities]).values_list("user_id", "scim_group_uid")
    )
    if not memberships:
        return {}
    links = SamlGroupLink.objects.filter(scim_group_uid__in={uid for _, uid in memberships}).order_by("-pk")
    names = dict(links.values_list("scim_group_uid", "name"))
    found: dict[int, list[dict[str, str]]] = {}
    for user_id, uid in sorted(memberships):
        if uid in names:
            found.setdefault(user_id, []).append({"value": uid, "display": names[uid], "type": "direct"})
    return found
