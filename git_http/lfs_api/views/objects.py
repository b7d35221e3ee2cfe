"""Uploads and downloads of LFS objects, with Workhorse in front and without (contract: git-http 4)."""

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from rest_framework.request import Request

from git_http.lfs_api.access import DOWNLOAD, UPLOAD, LFSAccess
from git_http.lfs_api.downloads import object_response
from git_http.lfs_api.embedded import received
from git_http.lfs_api.errors import LFSNotFoundError, StorageLimitError
from git_http.lfs_api.finalize_form import BODY_LIMIT, read_upload
from git_http.lfs_api.responses import LFSResponse
from git_http.lfs_api.views.base import LFSViewSet, plain_request
from git_http.responses import WorkhorseResponse
from git_http.workhorse import require_workhorse
from internal_api.authentication import WORKHORSE_TOKEN
from internal_api.metrics import lfs_bytes
from repositories.lfs.objects import finish_upload
from repositories.lfs.quota import find_limit_problem
from repositories.lfs.selectors import find_linked_object, linked_sizes
from repositories.lfs.storage import lfs_storage
from repositories.lfs.upload import Upload
from repositories.models.lfs import LARGEST_SIZE, is_oid


class AuthorizeUploadViewSet(LFSViewSet):
    """PUT .../authorize: Workhorse asks where to put an upload before it reads it."""

    metric = "authorize"

    def update(self, request: Request, path: str, oid: str, size: str) -> HttpResponse:
        access = self.access(request, path, UPLOAD)
        require_workhorse(plain_request(request))
        number = _size_of(oid, size)
        _require_room(access, oid, number)
        answer = {
            **lfs_storage().authorize(number),
            "LfsOid": oid,
            "LfsSize": number,
            "MaximumSize": max(number, 1),  # 0 would mean no limit
            "UploadHashFunctions": ["sha256"],
        }
        return WorkhorseResponse(answer)


class ObjectViewSet(LFSViewSet):
    """PUT of an object, which Workhorse makes after it has received the bytes, and GET of one."""

    metric = "object"

    def update(self, request: Request, path: str, oid: str, size: str) -> HttpResponse:
        """Store what Workhorse has received, or, where that is switched on and it is not in front, the bytes of the body."""
        plain = plain_request(request)
        is_embedded = settings.LFS_EMBEDDED_UPLOADS and WORKHORSE_TOKEN not in plain.META
        plain.body_limit = BODY_LIMIT  # type: ignore[attr-defined]  # the service's own request has it
        access = self.access(request, path, UPLOAD)
        if not is_embedded:
            require_workhorse(plain)
        number = _size_of(oid, size)
        if is_embedded:
            _receive(plain, access, oid, number)
        else:
            _finish(access, oid, number, read_upload(plain), by="workhorse")
        return LFSResponse()

    def retrieve(self, request: Request, path: str, oid: str) -> HttpResponseBase:
        access = self.access(request, path, DOWNLOAD)
        row = find_linked_object(access.project.id, oid) if is_oid(oid) else None
        if row is None:
            raise LFSNotFoundError
        return object_response(plain_request(request), row)


def _size_of(oid: str, size: str) -> int:
    """Return the size in a path of a good form. Raises LFSNotFoundError for any other."""
    is_number = size.isascii() and size.isdigit() and len(size) <= len(str(LARGEST_SIZE))
    if not is_oid(oid) or not is_number or int(size) > LARGEST_SIZE:
        raise LFSNotFoundError
    return int(size)


def _require_room(access: LFSAccess, oid: str, size: int) -> None:
    """Raise StorageLimitError unless the object fits below the storage limit, or belongs to the project already."""
    problem = find_limit_problem(access.project, size)
    if problem is not None and oid not in linked_sizes(access.project.id, [oid]):
        raise StorageLimitError(problem)


def _receive(request: HttpRequest, access: LFSAccess, oid: str, size: int) -> None:
    _require_room(access, oid, size)
    with received(request, size) as upload:
        _finish(access, oid, size, upload, by="service")


def _finish(access: LFSAccess, oid: str, size: int, upload: Upload, *, by: str) -> None:
    # Again: uploads that began together were each promised the same room, and some take hours.
    _require_room(access, oid, size)
    finish_upload(access.project.id, access.facts.repository_type, oid, size, upload)
    lfs_bytes.labels("upload", by).inc(size)
