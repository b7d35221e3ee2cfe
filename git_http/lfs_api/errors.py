"""What Git LFS refuses, in the words of the contract."""

from http import HTTPStatus

from internal_api.errors import DomainError, ForbiddenError, NotFoundError
from repositories.lfs.errors import ACCESS_FORBIDDEN, NOT_FOUND

READ_ONLY_INSTANCE = "You cannot write to this read-only GitLab instance."
NO_PERMISSIONS = "You have no permissions"


class LFSDisabledError(DomainError):
    """The instance has no LFS."""

    status = HTTPStatus.NOT_IMPLEMENTED
    message = "Git LFS is not enabled on this GitLab server, contact your admin."


class DeprecatedAPIError(DomainError):
    """The API of before version 1 of git-lfs."""

    status = HTTPStatus.NOT_IMPLEMENTED
    message = "Server supports batch API only, please update your Git LFS client to version 1.0.1 and up."


class LFSNotFoundError(NotFoundError):
    """There is no such repository or object, or not for this caller."""

    message = NOT_FOUND


class LFSForbiddenError(ForbiddenError):
    """The caller may download and not upload."""

    message = ACCESS_FORBIDDEN


class StorageLimitError(DomainError):
    """The namespace has no room for the upload."""

    status = HTTPStatus.NOT_ACCEPTABLE
