"""Whether the LFS storage works: for the doctor (contract: git-http LD23)."""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from internal_api.errors import UnavailableError
from repositories.lfs.local_storage import DIRECTORY_MODE, LocalStorage
from repositories.lfs.s3_storage import S3Storage
from repositories.lfs.storage import lfs_storage
from repositories.models import LFSObject

LATEST, LATEST_OF_BUCKET = 1000, 20
"""Objects whose files are looked for; in a bucket each costs a request."""
LEAST_FREE = 0.05
"""The part of the file system that should be free."""


@dataclass(frozen=True, slots=True)
class StorageProblem:
    """What is wrong, and what to do; uploads and downloads still work if it is no more than a warning."""

    text: str
    advice: str
    is_warning: bool = False


def find_storage_problems() -> Iterator[StorageProblem]:
    """Yield what is wrong with the storage; the later checks are left out where it cannot be written to."""
    storage, latest = lfs_storage(), LATEST
    if isinstance(storage, LocalStorage):
        problem = _write_problem(storage)
        if problem is not None:
            yield problem
            return
        yield from _warnings(storage)
    elif isinstance(storage, S3Storage):
        problem = _bucket_problem(storage)
        if problem is not None:
            yield problem
            return
        latest = LATEST_OF_BUCKET
    rows = LFSObject.objects.order_by("-pk").values_list("oid", "size")[:latest]
    missing = [oid for oid, size in rows if not storage.exists(oid, size)]
    if missing:
        text = f"{len(missing)} of the latest {latest} LFS objects are not in the storage, such as {missing[0]}"
        advice = "Restore them from a backup of the storage; whoever has one can upload it again after `git lfs push --all`."
        yield StorageProblem(text, advice)


def _bucket_problem(storage: S3Storage) -> StorageProblem | None:
    """Begin an upload as Workhorse would be told to, and give it up."""
    try:
        storage.try_out()
    except UnavailableError as error:
        advice = (
            "Let LFS_S3_ENDPOINT, LFS_S3_BUCKET and LFS_S3_REGION name the bucket, and let the credentials read, write, list and"
            " delete in it."
        )
        return StorageProblem(f"the bucket of LFS objects cannot be used: {error.message}", advice)
    return None


def _write_problem(storage: LocalStorage) -> StorageProblem | None:
    """Store a file as an upload is stored: written, linked, moved."""
    first = storage.uploads / f"store-{uuid.uuid4().hex}"
    target = storage.root / f".doctor-{uuid.uuid4().hex}"
    try:
        storage.uploads.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)
        first.write_bytes(b"x")
        if storage.uploads.stat().st_dev != storage.root.stat().st_dev:
            advice = f"Let {storage.uploads} be a directory of the file system that {storage.root} is on, and no mount of its own."
            return StorageProblem("uploads arrive on another file system than objects are stored on", advice)
        first.replace(target)
    except OSError as error:
        advice = f"Let the user of this service own {storage.root}, or name another directory in LFS_STORAGE_PATH."
        return StorageProblem(f"{storage.root} cannot be written to: {error.strerror}", advice)
    finally:
        with suppress(OSError):
            first.unlink(missing_ok=True)
            target.unlink(missing_ok=True)
    return None


def _warnings(storage: LocalStorage) -> Iterator[StorageProblem]:
    owners = {path.lstat().st_uid for path in _uploads(storage)} - {os.geteuid()}
    if owners:
        text = f"{storage.uploads} holds files of user {min(owners)}: Workhorse runs as another user than this service"
        yield StorageProblem(text, "Run gitlab-workhorse as the user of this service: its files have mode 0600.")
    usage = shutil.disk_usage(storage.root)
    if usage.free < usage.total * LEAST_FREE:
        text = f"{usage.free * 100 // usage.total} % of the file system of {storage.root} are free"
        yield StorageProblem(text, "Make room, or let LFS_STORAGE_PATH name a larger file system.", is_warning=True)


def _uploads(storage: LocalStorage) -> Iterator[Path]:
    try:
        yield from storage.uploads.iterdir()
    except OSError:
        return
