"""Groups of the instance's identity provider: linking them, and giving their members roles (contract: scim 1.10)."""

import logging
import uuid
from collections.abc import Collection, Iterable

from django.db import transaction
from django.db.models import Max
from django.db.models.functions import Lower

from accounts.models import User
from internal_api.audit import record_event
from repositories.errors import LastOwnerError
from repositories.models import Member, Namespace
from repositories.services.access import leave_group, set_member
from scim.errors import PreconditionError, UniquenessError
from scim.models import GroupMembership, Identity, SamlGroupLink, Scope
from scim.patch import MemberOperation
from scim.selectors.groups import ProvidedGroup

logger = logging.getLogger(__name__)


def link_group(scope: Scope, name: str, external_id: str | None) -> ProvidedGroup:
    """Give all links of that name an id, generated unless one was sent, and return the group.

    A name that is linked keeps its id, which its members were recorded under: the same id, or none, changes nothing, and another
    one is refused (contract: decisions 22). Raises PreconditionError, and its subclass UniquenessError.
    """
    if not name.strip():
        raise PreconditionError("Missing params: [:saml_group_name]")
    try:
        wanted = str(uuid.UUID(external_id)) if external_id is not None else None
    except ValueError:
        raise PreconditionError("Invalid UUID for scim_group_uid") from None
    with transaction.atomic():
        Scope.objects.select_for_update().get(pk=scope.pk)  # two requests at once may name one group, or one id
        links = SamlGroupLink.objects.filter(name=name)
        if not links.exists():
            raise PreconditionError(f"No matching SAML group found with name: {name}")
        present = links.exclude(scim_group_uid="").order_by("pk").values_list("scim_group_uid", flat=True).first()
        if present is not None and wanted not in {None, present}:
            raise UniquenessError(f"SAML group {name} is linked to another externalId already")
        group = ProvidedGroup(present or wanted or str(uuid.uuid4()), name)
        if SamlGroupLink.objects.exclude(name=name).filter(scim_group_uid=group.uid).exists():
            raise PreconditionError("Invalid UUID for scim_group_uid")  # another group's
        if present is None:  # members from before all links of this id were removed have no role any more
            GroupMembership.objects.filter(scim_group_uid=group.uid).delete()
        if links.filter(scim_group_uid="").update(scim_group_uid=group.uid):
            _audit("scim_group_linked", group)
    return group


def _audit(action: str, group: ProvidedGroup, **details: object) -> None:
    record_event(action, entity_type="SCIM group", details={"uid": group.uid, "name": group.name, **details})


def _users(scope: Scope, extern_uids: Collection[str]) -> list[User]:
    """Those of the identity provider's people who are known; others are passed over."""
    rows = Identity.objects.filter(scope=scope, deleted_at__isnull=True).annotate(uid_lower=Lower("extern_uid"))
    return [identity.user for identity in rows.filter(uid_lower__in={uid.lower() for uid in extern_uids}).select_related("user")]


def apply_operations(scope: Scope, group: ProvidedGroup, operations: Iterable[MemberOperation]) -> None:
    """Add and remove members, in the order of the operations, all or nothing."""
    with transaction.atomic():
        for operation in operations:
            if operation.op == "add":
                _add(group, _users(scope, operation.values or ()))
            else:
                _remove(group, _members(group) if operation.values is None else _users(scope, operation.values))


def replace_members(scope: Scope, group: ProvidedGroup, extern_uids: Collection[str]) -> None:
    """Make these the members; others that SCIM has made are removed, and those that it has not are left alone."""
    with transaction.atomic():
        wanted = _users(scope, extern_uids)
        keep = {user.pk for user in wanted}
        _remove(group, [user for user in _members(group) if user.pk not in keep])
        _add(group, wanted)


def unlink_group(group: ProvidedGroup) -> None:
    """Forget the group's id, and take from its members what it gave."""
    with transaction.atomic():
        _remove(group, _members(group))
        SamlGroupLink.objects.filter(scim_group_uid=group.uid).update(scim_group_uid="")
        _audit("scim_group_unlinked", group)


def withdraw_link(link: SamlGroupLink) -> None:
    """Take from the members of a link that was removed the role that it gave, or what is left of it.

    A higher role than the link's was given by another link or by an administrator and stays.
    """
    uid = link.scim_group_uid
    if not uid:
        return
    with transaction.atomic():
        group = ProvidedGroup(uid, link.name)
        members = Member.objects.filter(namespace=link.group_id, user__in=_members(group), access_level__lte=link.access_level)
        users = [member.user for member in members.select_related("user")]
        for user in users:
            remaining = _levels(user.scim_group_memberships.values_list("scim_group_uid", flat=True))
            _take(link.group, user, remaining.get(link.group_id))
        if users:
            _audit("scim_group_members_removed", group, users=[user.username for user in users])


def _members(group: ProvidedGroup) -> list[User]:
    return list(User.objects.filter(scim_group_memberships__scim_group_uid=group.uid))


def _levels(uids: Iterable[str]) -> dict[int, int]:
    """For each linked group here the highest level of these links."""
    links = SamlGroupLink.objects.filter(scim_group_uid__in=list(uids)).values_list("group_id")
    return dict(links.annotate(level=Max("access_level")))


def _add(group: ProvidedGroup, users: Collection[User]) -> None:
    """Membership, and the role of the links; a higher role that somebody has is left alone."""
    known = set(GroupMembership.objects.filter(scim_group_uid=group.uid, user__in=users).values_list("user_id", flat=True))
    new = [user for user in users if user.pk not in known]
    rows = [GroupMembership(scim_group_uid=group.uid, user=user) for user in new]
    GroupMembership.objects.bulk_create(rows, ignore_conflicts=True)
    levels = _levels([group.uid])
    present = {
        (user, place): level
        for user, place, level in Member.objects.filter(user__in=users, namespace__in=levels).values_list(
            "user_id", "namespace_id", "access_level"
        )
    }
    places = Namespace.objects.in_bulk(levels)
    for user in users:
        for place, level in levels.items():
            if present.get((user.pk, place), 0) < level:
                set_member(places[place], user, level)
    if new:
        _audit("scim_group_members_added", group, users=[user.username for user in new])


def _remove(group: ProvidedGroup, users: Collection[User]) -> None:
    """Whoever SCIM has made a member is one no longer, unless another of its groups still gives a role in the same place."""
    users = [user for user in users if GroupMembership.objects.filter(scim_group_uid=group.uid, user=user).delete()[0]]
    places = Namespace.objects.in_bulk(_levels([group.uid]))
    for user in users:
        remaining = _levels(user.scim_group_memberships.values_list("scim_group_uid", flat=True))
        for place in places.values():
            _take(place, user, remaining.get(place.pk))
    if users:
        _audit("scim_group_members_removed", group, users=[user.username for user in users])


def _take(place: Namespace, user: User, remaining: int | None) -> None:
    if remaining is not None:
        set_member(place, user, remaining)
        return
    try:
        with transaction.atomic():
            if Member.objects.filter(namespace=place, user=user).exists():
                leave_group(place, user)
    except LastOwnerError:
        logger.warning(
            "The last owner of a group stays although SCIM has removed them", extra={"fields": {"group_id": place.pk, "user_id": user.pk}}
        )
