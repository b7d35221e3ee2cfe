"""LFS uploads and files to be sent (contract: git-http 4.2, 4.3, 4.5, C16)."""

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from testing.workhorse.backend import Backend

STRINGS = ("TempPath", "LfsOid")
NUMBERS = ("LfsSize", "MaximumSize")
HASHES = ("md5", "sha1", "sha256", "sha512")


class TooLargeError(Exception):
    """More bytes came than the backend takes."""


@dataclass(frozen=True)
class Upload:
    """A file that was received."""

    path: Path
    size: int
    hashes: dict[str, str]

    def form(self, backend: Backend, content_type: str) -> tuple[bytes, str]:
        """The form that stands for it, and the header that lists its file fields: both signed."""
        told = {
            "name": "upload",
            "path": str(self.path),
            "remote_url": "",
            "remote_id": "",
            "size": str(self.size),
            "upload_duration": "0.01",
            **self.hashes,
        }
        fields = {f"file.{name}": value for name, value in told.items()}
        fields["file.gitlab-workhorse-upload"] = backend.sign({"upload": told})
        fields["Content-Type"] = content_type
        return urlencode(fields).encode(), backend.sign({"rewritten_fields": {"file": str(self.path)}})


@contextmanager
def received(body: Iterator[bytes], authorized: dict[str, Any]) -> Iterator[Upload]:
    """Store a body below TempPath; the file is gone afterwards. Raises TooLargeError."""
    directory = Path(authorized["TempPath"])
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    wanted = authorized.get("UploadHashFunctions") or HASHES
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in HASHES if name in wanted}
    path = directory / f"gitlab-workhorse-upload{secrets.randbelow(10**9)}"
    size, limit = 0, authorized.get("MaximumSize") or None
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in body:
                size += len(piece)
                if limit is not None and size > limit:
                    raise TooLargeError
                file.write(piece)
                for digest in hashes.values():
                    digest.update(piece)
        yield Upload(path, size, {name: digest.hexdigest() for name, digest in hashes.items()})
    finally:
        path.unlink(missing_ok=True)


def byte_range(header: str, size: int) -> tuple[int, int] | None:
    """First and last byte of a single range; None for the whole file. Raises ValueError where it cannot be satisfied."""
    if not header.startswith("bytes=") or "," in header:
        return None
    first, _, last = header.removeprefix("bytes=").partition("-")
    if not first:
        start, end = max(size - int(last), 0), size - 1
    else:
        start, end = int(first), min(int(last), size - 1) if last else size - 1
    if start >= size or start > end:
        raise ValueError(header)
    return start, end
