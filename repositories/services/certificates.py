"""Groups' certificate authorities, the users whose accounts belong to a group, and whether those may use SSH keys."""

from typing import Any

from django.db import IntegrityError, transaction

from accounts.models import User
from accounts.services.ssh_keys import Rules, read_key
from repositories.errors import InvalidAccessError
from repositories.models import EnterpriseUser, GroupSSHCertificate, Namespace


def _require_top_level(group: Namespace, what: str) -> None:
    if not group.is_group or group.parent_id is not None:
        raise InvalidAccessError(f"{what} are for top-level groups.")


def add_certificate_authority(
    group: Namespace, *, key: str, title: str = "", rules: Rules = (None,), **fields: Any
) -> tuple[GroupSSHCertificate, str]:
    """Let certificates signed with this key open the group; the row, and whether it was created, changed or unchanged.

    Raises InvalidAccessError, InvalidKeyError.
    """
    _require_top_level(group, "SSH certificates")
    parsed = read_key(key, rules)
    row = GroupSSHCertificate.objects.filter(group=group, fingerprint=parsed.fingerprint).first()
    if row is not None:
        return row, "changed" if title and _retitle(row, title) else "unchanged"
    values = {"title": (title or parsed.comment or "CA")[:255], "key": parsed.line, "fingerprint": parsed.fingerprint, **fields}
    try:
        with transaction.atomic():
            return GroupSSHCertificate.objects.create(group=group, **values), "created"
    except IntegrityError as error:
        raise InvalidAccessError("The authority, or its id, is in use already.") from error


def _retitle(row: GroupSSHCertificate, title: str) -> bool:
    changed = row.title != title
    row.title = title
    row.save(update_fields=["title"])
    return changed


def remove_certificate_authority(group: Namespace, key: str) -> bool:
    """Let certificates signed with this key open nothing here; whether they did. Raises InvalidKeyError."""
    return GroupSSHCertificate.objects.filter(group=group, fingerprint=read_key(key).fingerprint).delete()[0] > 0


def set_enterprise_group(user: User, group: Namespace | None) -> bool:
    """Make an account belong to a top-level group, or to none; whether anything changed. Raises InvalidAccessError."""
    if group is not None:
        _require_top_level(group, "Enterprise users")
    with transaction.atomic():
        present = EnterpriseUser.objects.select_for_update().filter(user=user).first()
        changed = (present.group_id if present else None) != (group.pk if group else None)
        if changed and group is None:
            EnterpriseUser.objects.filter(user=user).delete()
        elif changed:
            EnterpriseUser.objects.update_or_create(user=user, defaults={"group": group})
        User.objects.filter(pk=user.pk).update(ssh_keys_disabled=group is not None and group.disable_ssh_keys)
    return changed


def apply_ssh_key_rule(group: Namespace) -> int:
    """Bring the flag on the group's users, which decisions read, in step with the group's setting; how many differed."""
    users = User.objects.filter(enterprise__group=group, ssh_keys_disabled=not group.disable_ssh_keys)
    return users.update(ssh_keys_disabled=group.disable_ssh_keys)
