"""What can be wrong with an LFS object, an upload or a lock."""

from internal_api.errors import BadRequestError, ConflictError, ForbiddenError, NotFoundError, UnprocessableError
from repositories.models import LFSLock

ACCESS_FORBIDDEN = "Access forbidden. Check your access level."
NOT_FOUND = "Not found."
LOCK_NOT_FOUND = "Lock not found"
LOCKED_BY_OTHER = "'{path}' is locked by @{username}"
FORCE_NEEDS_MAINTAINER = "You must have maintainer access to force delete a lock"
ALREADY_LOCKED = "already locked"


class InvalidUploadError(BadRequestError):
    """The upload is not what was announced. Never 422: git-lfs takes that for success (contract: git-http 10, C1)."""


class UnstorableObjectError(ForbiddenError):
    """The storage or the database refuses the object."""

    message = ACCESS_FORBIDDEN


class LockNotFoundError(NotFoundError):
    """There is no such lock in this project."""

    message = LOCK_NOT_FOUND


class ForeignLockError(ForbiddenError):
    """The lock is somebody else's."""


class InvalidLockPathError(UnprocessableError):
    """The path cannot be locked."""


class AlreadyLockedError(ConflictError):
    """The path is locked, by anybody."""

    message = ALREADY_LOCKED

    def __init__(self, lock: LFSLock) -> None:
        super().__init__()
        self.lock = lock
