"""Making and removing file locks (contract: git-http 5)."""

from dataclasses import dataclass

from django.db import IntegrityError, transaction

from accounts.models import User
from repositories.lfs.errors import (
    FORCE_NEEDS_MAINTAINER,
    LOCKED_BY_OTHER,
    AlreadyLockedError,
    ForeignLockError,
    InvalidLockPathError,
    LockNotFoundError,
)
from repositories.models import LFSLock
from repositories.models.lfs import LONGEST_LOCK_PATH


@dataclass(frozen=True, slots=True)
class Unlocker:
    """The user who removes a lock, and whether with a maintainer's rights."""

    user_id: int
    is_maintainer: bool


def check_lock_path(path: str) -> None:
    """Raise InvalidLockPathError for a path that cannot be locked."""
    if not path.strip():
        raise InvalidLockPathError("path must not be blank")
    if len(path) > LONGEST_LOCK_PATH:
        raise InvalidLockPathError(f"path is too long (maximum is {LONGEST_LOCK_PATH} characters)")
    if "\0" in path:
        raise InvalidLockPathError("path must not hold a NUL character")


def create_lock(project_id: int, path: str, owner_id: int) -> LFSLock:
    """Lock a path for a user. Raises AlreadyLockedError, with the lock that is there, and InvalidLockPathError."""
    check_lock_path(path)
    locks = LFSLock.objects.select_related("owner")
    present = locks.filter(project=project_id, path=path).first()
    if present is not None:
        raise AlreadyLockedError(present)
    try:
        with transaction.atomic():
            lock = LFSLock.objects.create(project_id=project_id, path=path, owner_id=owner_id)
    except IntegrityError as error:  # another request was quicker
        present = locks.filter(project=project_id, path=path).first()
        if present is None:
            raise LockNotFoundError from error
        raise AlreadyLockedError(present) from error
    lock.owner = User.objects.get(pk=owner_id)
    return lock


@transaction.atomic
def remove_lock(project_id: int, lock_id: int, unlocker: Unlocker, *, force: bool) -> LFSLock:
    """Remove a lock and return it as it was. Raises LockNotFoundError and ForeignLockError."""
    rows = LFSLock.objects.select_related("owner", "project__namespace__route").select_for_update(of=("self",))
    lock = rows.filter(pk=lock_id, project=project_id).first()
    if lock is None:
        raise LockNotFoundError
    if lock.owner_id != unlocker.user_id:
        if not force:
            raise ForeignLockError(LOCKED_BY_OTHER.format(path=lock.path, username=lock.owner.username))
        if not unlocker.is_maintainer:
            raise ForeignLockError(FORCE_NEEDS_MAINTAINER)
    lock.delete()
    lock.pk = lock_id  # Django takes the id from what is deleted
    return lock
