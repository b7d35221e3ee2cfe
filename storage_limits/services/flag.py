"""The one fact about storage that decisions read: whether a top-level namespace is over its limit (contract: allowed 4.6, row 6).

It is worked out again whenever a size, a limit or an exclusion changes, with the namespace's row locked, so that of concurrent
changes the last one sees all of them.
"""

from collections.abc import Iterable
from typing import Any

from django.db import transaction
from django.db.models import Q, QuerySet
from django.db.models.signals import post_delete, post_save
from django.dispatch import receiver

from repositories.lfs.selectors import used_storage, used_storages
from repositories.models import Namespace, Project
from repositories.signals import lfs_size_changed, project_moved, storage_left
from storage_limits.models import LimitExclusion


def refresh_flag(root_id: int) -> bool:
    """Work the flag out again; what it is now."""
    return root_id in refresh_flags([root_id])


def refresh_flags(root_ids: Iterable[int]) -> set[int]:
    """Work the flags of some top-level namespaces out again with a fixed number of queries; return those that are over their limit."""
    with transaction.atomic():
        roots = list(Namespace.objects.select_for_update().filter(pk__in=root_ids).order_by("pk"))
        used = used_storages(root.pk for root in roots if root.storage_limit)
        over = {root.pk for root in roots if root.storage_limit and used.get(root.pk, 0) > root.storage_limit}
        if over:
            over.difference_update(LimitExclusion.objects.filter(namespace__in=over).values_list("namespace_id", flat=True))
        for is_over in (True, False):
            changed = [root.pk for root in roots if root.over_storage_limit != is_over and (root.pk in over) == is_over]
            if changed:
                Namespace.objects.filter(pk__in=changed).update(over_storage_limit=is_over)
    return over


def refresh_flags_above(namespace_ids: Iterable[int]) -> None:
    """Work out the flags of the top-level namespaces above these, where there is a limit or a flag: sizes below have changed."""
    roots = Namespace.objects.filter(Q(storage_limit__gt=0) | Q(over_storage_limit=True), descendants__in=set(namespace_ids))
    if found := set(roots.values_list("pk", flat=True)):
        refresh_flags(found)


@receiver((post_save, post_delete), sender=Project, dispatch_uid="storage_limits.project")
def project_changed(*, instance: Project, **_: Any) -> None:
    """A size may have changed; nothing to do where there is no limit and no flag."""
    _refresh_flag_of(Namespace.objects.filter(descendants=instance.namespace_id))


@receiver(lfs_size_changed, dispatch_uid="storage_limits.lfs_size")
def lfs_size_was_changed(*, project_id: int, **_: Any) -> None:
    """Objects were stored for a project."""
    _refresh_flag_of(Namespace.objects.filter(descendants__projects=project_id))


def _refresh_flag_of(roots: QuerySet[Namespace]) -> None:
    root = roots.values_list("pk", "storage_limit", "over_storage_limit").first()
    if root is not None and (root[1] or root[2]):
        refresh_flag(root[0])


@receiver(storage_left, dispatch_uid="storage_limits.storage_left")
def bytes_left(*, root_id: int, **_: Any) -> int | None:
    """Return how many bytes may still be stored below a top-level namespace, below 0 beyond its limit; None without a limit."""
    limit = Namespace.objects.filter(pk=root_id, storage_limit__gt=0).values_list("storage_limit", flat=True).first()
    if limit is None or LimitExclusion.objects.filter(namespace=root_id).exists():
        return None
    return limit - used_storage(root_id)


@receiver(post_save, sender=Namespace, dispatch_uid="storage_limits.namespace")
def namespace_changed(*, instance: Namespace, **_: Any) -> None:
    """A limit may have changed."""
    if instance.parent_id is None and (instance.storage_limit or instance.over_storage_limit):
        refresh_flag(instance.pk)


@receiver(project_moved, dispatch_uid="storage_limits.project_moved")
def project_was_moved(*, former_root_id: int | None, **_: Any) -> None:
    """Its size counts elsewhere now; saving it has told the new place."""
    if former_root_id is not None:
        refresh_flag(former_root_id)
