"""LFS objects in a directory (contract: git-http 4.2 to 4.4, LD10).

Uploads arrive in `tmp/uploads` of the same file system, so an object appears at its final path at once and whole.
"""

import logging
import os
import shutil
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

from internal_api.disk import synchronize
from internal_api.errors import UnavailableError
from repositories.lfs.errors import InvalidUploadError
from repositories.lfs.upload import Upload

logger = logging.getLogger(__name__)
DIRECTORY_MODE = 0o700
"""Workhorse runs as the same user; nobody else reads source code here."""


class LocalStorage:
    """A directory of objects, `<oid[0:2]>/<oid[2:4]>/<oid[4:]>`; see `LFSStorage` for what each method promises."""

    is_direct = False

    def __init__(self, root: Path) -> None:
        self.root = root
        self.uploads = uploads_directory(root)

    def path(self, oid: str) -> Path:
        """Return the file of an object, there or not."""
        return self.root / oid[:2] / oid[2:4] / oid[4:]

    def locate(self, oid: str) -> Path:
        return self.path(oid)

    def authorize(self, size: int) -> dict[str, Any]:
        self.uploads.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)
        return {"TempPath": str(self.uploads)}

    def find_upload(self, upload: Upload) -> int:
        """The file lies in the directory of uploads, symbolic links resolved, and is a plain file."""
        real = self._real_path(upload.path)
        try:
            if not real.is_file():
                raise InvalidUploadError("The uploaded file does not exist.")
            return real.stat().st_size
        except OSError as error:
            raise InvalidUploadError("The uploaded file cannot be read.") from error

    def _real_path(self, path: str) -> Path:
        insecure = InvalidUploadError(f"insecure path used '{path[:1000]}'")
        if not path or "\0" in path or not os.path.isabs(path):  # noqa: PTH117  Path() refuses some strings by itself
            raise insecure
        try:
            real, directory = Path(path).resolve(), self.uploads.resolve()
        except (OSError, RuntimeError, ValueError) as error:
            raise insecure from error
        if directory not in real.parents:
            raise insecure
        return real

    def store(self, upload: Upload, oid: str) -> None:
        """Hard-link the file into place: Workhorse removes its own name afterwards (contract: git-http 10, C16)."""
        source, target = self._real_path(upload.path), self.path(oid)
        # Under a name of its own first: replacing is atomic, and mends a file that was cut off.
        staged = self.uploads / f"store-{uuid.uuid4().hex}"
        try:
            target.parent.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)
            _link_or_copy(source, staged)
            synchronize(staged)  # git-lfs forgets an object once it is told that it is stored
            staged.replace(target)
            for changed in (target.parent, target.parent.parent, self.root):
                synchronize(changed)
        except OSError as error:
            logger.exception("LFS object %s could not be stored", oid)
            raise UnavailableError("The LFS storage cannot be written to at the moment. Please try again later.") from error
        finally:
            staged.unlink(missing_ok=True)  # two names of one file are not replaced

    def open(self, oid: str) -> BinaryIO:
        return self.path(oid).open("rb")

    def exists(self, oid: str, size: int) -> bool:
        path = self.path(oid)
        return path.is_file() and path.stat().st_size == size

    def delete(self, oid: str) -> None:
        self.path(oid).unlink(missing_ok=True)

    def delete_stale_uploads(self, before: datetime) -> int:
        removed = 0
        for path in self.uploads.iterdir() if self.uploads.is_dir() else ():
            try:
                if path.lstat().st_mtime < before.timestamp() and not path.is_dir():
                    path.unlink()
                    removed += 1
            except FileNotFoundError:
                continue  # Workhorse has just removed it
        return removed


def uploads_directory(root: Path) -> Path:
    """Return where uploads wait to be stored."""
    return root / "tmp" / "uploads"


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.hardlink_to(source)
    except OSError:  # a file system without hard links, or a file of another user
        shutil.copyfile(source, target)
