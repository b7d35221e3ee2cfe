"""Reads of LFS objects and locks."""

from collections.abc import Iterable

from django.db.models import Sum

from repositories.models import LFSLock, LFSObject, Project


def linked_sizes(project_id: int, oids: Iterable[str]) -> dict[str, int]:
    """Return the sizes of those of the objects that belong to a project, its wiki included, by object id; one query."""
    linked = LFSObject.objects.filter(oid__in=list(oids), links__project=project_id)
    return dict(linked.values_list("oid", "size"))


def find_linked_object(project_id: int, oid: str) -> LFSObject | None:
    """Return the object if it belongs to the project: knowing an object id is not having it."""
    return LFSObject.objects.filter(oid=oid, links__project=project_id).first()


def has_objects(project_id: int) -> bool:
    """Whether any object belongs to the project."""
    return LFSObject.objects.filter(links__project=project_id).exists()


def used_storage(root_id: int) -> int:
    """Return the bytes of all projects below a top-level namespace: their repositories and their LFS objects."""
    return used_storages([root_id]).get(root_id, 0)


def used_storages(root_ids: Iterable[int]) -> dict[int, int]:
    """Return the same for each of several; those without projects are left out."""
    projects = Project.objects.filter(namespace__root__in=list(root_ids)).order_by().values_list("namespace__root")
    return {root: repositories + objects for root, repositories, objects in projects.annotate(Sum("storage_size"), Sum("lfs_size"))}


def find_locks(
    project_id: int, *, lock_id: int | None = None, path: str | None = None, cursor: int | None = None, limit: int
) -> tuple[list[LFSLock], int | None]:
    """Return one page of a project's locks in the order of their ids, and the id at which the next page begins."""
    locks = LFSLock.objects.filter(project=project_id).select_related("owner").order_by("pk")
    if lock_id is not None:
        locks = locks.filter(pk=lock_id)
    if path is not None:
        locks = locks.filter(path=path)
    if cursor is not None:
        locks = locks.filter(pk__gte=cursor)
    found = list(locks[: limit + 1])
    return found[:limit], found[limit].pk if len(found) > limit else None
