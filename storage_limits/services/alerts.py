"""What a pusher reads from 95 % of a storage limit on (contract: decisions 10b, allowed 7.5, case 333)."""

from typing import Any

from django.dispatch import receiver

from repositories.lfs.selectors import used_storage
from repositories.models import Namespace
from repositories.policy.messages import human_size
from repositories.signals import storage_alert
from storage_limits.models import LimitExclusion

WARNED_FROM = 95
"""Percent."""


@receiver(storage_alert, dispatch_uid="storage_limits.alert")
def usage_alert(*, root_id: int, **_: Any) -> str | None:
    """Return how much of its limit a top-level namespace uses, from 95 % on; None below, and where no limit binds."""
    limit = Namespace.objects.values_list("storage_limit", flat=True).get(pk=root_id)
    if not limit or LimitExclusion.objects.filter(namespace=root_id).exists():
        return None
    used = used_storage(root_id)
    if used * 100 < limit * WARNED_FROM:
        return None
    what_happens = "Pushes are refused until it is reduced." if used > limit else "Pushes are refused above the limit."
    path = Namespace.objects.select_related("route").get(pk=root_id).route.path
    return f"{path} uses {human_size(used)} of its storage limit of {human_size(limit)} ({used * 100 // limit} %). {what_happens}"
