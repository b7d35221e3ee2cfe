"""Where the bytes of LFS objects are kept: what a storage must be able to do, and the one that is configured."""

from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from django.conf import settings

from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.s3_options import S3Options
from repositories.lfs.upload import Upload


class LFSStorage(Protocol):
    """Content by object id. Whatever cannot be reached raises UnavailableError.

    `is_direct`: clients are sent to the URL that `locate` returns, instead of being served through this service.
    """

    is_direct: bool

    def authorize(self, size: int) -> dict[str, Any]:
        """Return what gitlab-workhorse is told about where to put an upload of this size."""

    def find_upload(self, upload: Upload) -> int:
        """Return the real size of an upload. Raises InvalidUploadError, UnstorableObjectError if it is not one of ours."""

    def store(self, upload: Upload, oid: str) -> None:
        """Let the upload be the object's content, durably, whatever was there before."""

    def open(self, oid: str) -> BinaryIO:
        """Return the content, to be read and closed. Raises FileNotFoundError."""

    def locate(self, oid: str) -> Path | str:
        """Return the file of an object, or a URL from which it can be downloaded for a while."""

    def exists(self, oid: str, size: int) -> bool:
        """Whether the content is there, in full."""

    def delete(self, oid: str) -> None:
        """Remove the content, if it is there."""

    def delete_stale_uploads(self, before: datetime) -> int:
        """Remove uploads that were begun before then and never finished; return how many there were."""


def lfs_storage() -> LFSStorage:
    """Return the configured storage."""
    if settings.LFS_S3 is not None:
        return _bucket(settings.LFS_S3, settings.LFS_STORAGE_PATH)
    return _local(settings.LFS_STORAGE_PATH)


@lru_cache(maxsize=8)
def _bucket(options: S3Options, spool: Path) -> LFSStorage:
    from repositories.lfs.s3_storage import S3Storage  # noqa: PLC0415  an extra, of those alone who have a bucket

    return S3Storage(options, spool)


@lru_cache(maxsize=8)
def _local(root: Path) -> LocalStorage:
    return LocalStorage(root)
