"""Storing LFS objects, and removing those that no repository has any more (contract: git-http 4.3, 4.4, LD12)."""

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.signals import pre_delete
from django.dispatch import receiver
from django.utils import timezone

from internal_api.errors import UnavailableError
from repositories.lfs.errors import InvalidUploadError, UnstorableObjectError
from repositories.lfs.storage import LFSStorage, lfs_storage
from repositories.lfs.upload import Upload
from repositories.models import LFSObject, LFSObjectLink, Project
from repositories.signals import lfs_size_changed

logger = logging.getLogger(__name__)
MISMATCH = "SHA256 or size mismatch"
ATTEMPTS = 3
STALE_UPLOAD = timedelta(days=1)


def finish_upload(project_id: int, repository_type: str, oid: str, size: int, upload: Upload) -> None:
    """Store what was uploaded as the object of this id and size, and let it belong to the repository.

    Can be repeated, and several uploads of one object at once all succeed. Raises InvalidUploadError, UnstorableObjectError
    and UnavailableError.
    """
    storage = lfs_storage()
    if storage.find_upload(upload) != size or upload.size != size or upload.sha256 != oid:
        raise InvalidUploadError(MISMATCH)
    for _ in range(ATTEMPTS):
        # The row comes first and is fresh: from now on no clean-up removes it, or what is stored under its name.
        row = _reserve(oid, size)
        if not storage.exists(oid, size):
            storage.store(upload, oid)
        if _link(row.pk, project_id, repository_type):
            return
    raise UnavailableError("The object was removed while it was stored. Please try again.")


def _reserve(oid: str, size: int) -> LFSObject:
    """Return the object's row, made if need be, with a grace period that begins now. Raises UnstorableObjectError."""
    row, created = LFSObject.objects.get_or_create(oid=oid, defaults={"size": size})
    if row.size != size:
        raise UnstorableObjectError
    if not created:
        LFSObject.objects.filter(pk=row.pk).update(last_linked_at=timezone.now())
    return row


@transaction.atomic
def _link(object_id: int, project_id: int, repository_type: str) -> bool:
    """Let the object belong to the repository; whether it is still there. Raises UnstorableObjectError.

    Its content is there as long as its row is: a clean-up removes both while it holds the row's lock. The storage is not asked
    here, where locks would wait for it. The project's row is locked before the object's, as its deletion does.
    """
    if not Project.objects.select_for_update(no_key=True).filter(pk=project_id).values_list("pk"):
        raise UnstorableObjectError  # it was deleted meanwhile
    row = LFSObject.objects.select_for_update(no_key=True).filter(pk=object_id).first()
    if row is None:
        return False
    _, created = LFSObjectLink.objects.get_or_create(lfs_object=row, project_id=project_id, repository_type=repository_type)
    if created and row.size:
        Project.objects.filter(pk=project_id).update(lfs_size=F("lfs_size") + row.size)
        lfs_size_changed.send(sender=Project, project_id=project_id)
    return True


@receiver(pre_delete, sender=Project, dispatch_uid="repositories.lfs.project_deleted")
def start_grace_period(*, instance: Project, **_: object) -> None:
    """A project is about to lose its links: its objects are kept for the grace period from now on."""
    LFSObject.objects.filter(links__project=instance.pk).update(last_linked_at=timezone.now())


def remove_unlinked_objects(now: datetime) -> int:
    """Remove objects that have belonged to no repository for the grace period; return how many."""
    storage, cutoff = lfs_storage(), now - timedelta(days=settings.LFS_OBJECT_GRACE_DAYS)
    unlinked = LFSObject.objects.filter(links__isnull=True, last_linked_at__lte=cutoff).order_by("pk")
    return sum(_remove(pk, cutoff, storage) for pk in list(unlinked.values_list("pk", flat=True)))


@transaction.atomic
def _remove(object_id: int, cutoff: datetime, storage: LFSStorage) -> bool:
    """Remove one object while its row is locked: an upload of it waits, and stores it again."""
    row = LFSObject.objects.select_for_update().filter(pk=object_id, last_linked_at__lte=cutoff).first()
    if row is None or row.links.exists():
        return False
    try:
        storage.delete(row.oid)
    except (OSError, UnavailableError) as error:
        logger.warning("LFS object %s could not be removed: %s", row.oid, error)
        return False
    row.delete()
    return True


def remove_stale_uploads(now: datetime) -> int:
    """Remove what interrupted uploads have left in the storage; return how many there were."""
    return lfs_storage().delete_stale_uploads(now - STALE_UPLOAD)
