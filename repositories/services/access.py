"""Giving and taking access: members, invited groups, deploy keys."""

from datetime import date

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import KeyKind, SSHKey, User
from repositories.errors import InvalidAccessError, LastOwnerError
from repositories.models import AccessLevel, DeployKeyGrant, GroupLink, Member, MemberState, Namespace, Project

type_of_place = Namespace | Project


def _place(where: type_of_place) -> dict[str, type_of_place]:
    return {"project": where} if isinstance(where, Project) else {"namespace": where}


def set_member(
    where: type_of_place, user: User, access_level: int, *, state: str = MemberState.ACTIVE, expires_at: date | None = None
) -> bool:
    """Make somebody a member, or change the membership; whether anything changed. Raises InvalidAccessError."""
    new_member(where, user, access_level)
    values = {"access_level": access_level, "state": state, "expires_at": expires_at}
    with transaction.atomic():
        member, created = Member.objects.get_or_create(user=user, **_place(where), defaults=values)
        return created or _update(member, values)


def new_member(
    where: type_of_place, user: User, access_level: int, *, state: str = MemberState.ACTIVE, expires_at: date | None = None
) -> Member:
    """A membership that is not saved yet. Raises InvalidAccessError."""
    if access_level not in AccessLevel.values:
        raise InvalidAccessError(f"There is no access level {access_level}.")
    if isinstance(where, Namespace) and not where.is_group:
        raise InvalidAccessError("A user's own namespace has no members.")
    return Member(user=user, **_place(where), access_level=access_level, state=state, expires_at=expires_at)


def _update(row: Member | GroupLink | DeployKeyGrant, values: dict[str, object]) -> bool:
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        row.save(update_fields=list(changed))
    return bool(changed)


def remove_member(where: type_of_place, user: User) -> bool:
    """End a direct membership; whether there was one."""
    return Member.objects.filter(user=user, **_place(where)).delete()[0] > 0


def leave_group(group: Namespace, user: User, *, and_below: bool = False) -> bool:
    """End somebody's direct membership in a group, and those in all below it; whether there were any.

    Raises LastOwnerError for the group's last owner. Owners who leave at the same time wait for each other, so one of them stays.
    """
    with transaction.atomic():
        Namespace.objects.select_for_update().get(pk=group.pk)
        today = timezone.now().date()
        owners = Member.objects.filter(
            Q(expires_at__isnull=True) | Q(expires_at__gt=today), namespace=group, access_level=AccessLevel.OWNER, state=MemberState.ACTIVE
        )
        if owners.filter(user=user).exists() and not owners.exclude(user=user).exists():
            raise LastOwnerError
        places = Q(namespace=group)
        if and_below:
            places = Q(namespace__lineage__ancestor=group) | Q(project__namespace__lineage__ancestor=group)
        left = Member.objects.filter(places, user=user).values_list("pk", flat=True)
        return Member.objects.filter(pk__in=list(left)).delete()[0] > 0


def share_with(where: type_of_place, group: Namespace, access_level: int) -> bool:
    """Invite a group, or change its level; whether anything changed. Raises InvalidAccessError."""
    new_group_link(where, group, access_level)
    with transaction.atomic():
        link, created = GroupLink.objects.get_or_create(group=group, **_place(where), defaults={"access_level": access_level})
        return created or _update(link, {"access_level": access_level})


def new_group_link(where: type_of_place, group: Namespace, access_level: int) -> GroupLink:
    """An invitation that is not saved yet. Raises InvalidAccessError."""
    if not group.is_group or where == group:
        raise InvalidAccessError("Only another group can be invited.")
    if access_level not in AccessLevel.values:
        raise InvalidAccessError(f"There is no access level {access_level}.")
    return GroupLink(group=group, **_place(where), access_level=access_level)


def unshare_with(where: type_of_place, group: Namespace) -> bool:
    """Take an invitation back; whether there was one."""
    return GroupLink.objects.filter(group=group, **_place(where)).delete()[0] > 0


def grant_deploy_key(project: Project, key: SSHKey, *, can_push: bool) -> bool:
    """Enable a deploy key for a project; whether anything changed. Raises InvalidAccessError for a user's key."""
    if key.kind != KeyKind.DEPLOY:
        raise InvalidAccessError("The key belongs to a user; a deploy key is a key of its own.")
    with transaction.atomic():
        grant, created = DeployKeyGrant.objects.get_or_create(project=project, key=key, defaults={"can_push": can_push})
        return created or _update(grant, {"can_push": can_push})


def withdraw_deploy_key(project: Project, key: SSHKey) -> bool:
    """Disable a deploy key for a project; whether it was enabled."""
    return DeployKeyGrant.objects.filter(project=project, key=key).delete()[0] > 0
