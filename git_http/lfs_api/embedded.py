"""Uploads without Workhorse: the service takes the bytes itself, hashed as they come (contract: git-http 4.6)."""

import hashlib
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, UnreadablePostError

from git_http.lfs_api.transfers import caller_of, give_connection_back, transfers
from internal_api.errors import PayloadTooLargeError, UnavailableError
from internal_api.http.requests import ServiceRequest
from repositories.lfs.errors import InvalidUploadError
from repositories.lfs.local_storage import DIRECTORY_MODE, uploads_directory
from repositories.lfs.upload import Upload

LEAST_RATE = 10 * 1024
"""Bytes a second: whoever sends less holds a place that others need."""


@contextmanager
def received(request: HttpRequest, size: int) -> Iterator[Upload]:
    """Take an upload of at most so many bytes into a temporary file, which is gone when the block ends.

    Raises PayloadTooLargeError, InvalidUploadError for a body that ends early, and UnavailableError where there is no place for it.
    """
    if not isinstance(request, ServiceRequest):
        raise TypeError("Uploads are read through the service's own request.")
    with transfers().place(caller_of(request)):
        directory = uploads_directory(settings.LFS_STORAGE_PATH)
        directory.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)
        path = directory / f"upload-{uuid.uuid4().hex}"
        give_connection_back()
        try:
            count, digest = _write(request, path, size)
            yield Upload(count, digest, str(path))
        finally:
            path.unlink(missing_ok=True)


def _write(request: ServiceRequest, path: Path, size: int) -> tuple[int, str]:
    digest, count = hashlib.sha256(), 0
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb", buffering=0) as file:
            for piece in request.pieces(size, least_rate=LEAST_RATE):
                digest.update(piece)
                file.write(piece)
                count += len(piece)
    except RequestDataTooBig:
        raise PayloadTooLargeError(f"The object has more than the announced {size} bytes.") from None
    except UnreadablePostError:
        raise InvalidUploadError("The upload ended early, or came too slowly.") from None
    except OSError as error:
        raise UnavailableError("The LFS storage cannot be written to at the moment. Please try again later.") from error
    return count, digest.hexdigest()
