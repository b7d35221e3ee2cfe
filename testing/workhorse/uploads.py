"""LFS uploads and files to be sent (contract: git-http 4.2, 4.3, 4.5, C16)."""

import base64
import hashlib
import http.client
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from testing.workhorse.backend import SECONDS, Backend, Reply

STRINGS = ("TempPath", "LfsOid")
NUMBERS = ("LfsSize", "MaximumSize")
HASHES = ("md5", "sha1", "sha256", "sha512")


class RemoteStorageError(Exception):
    """The object storage refuses."""


class TooLargeError(Exception):
    """More bytes came than the backend takes."""


@dataclass(frozen=True)
class Upload:
    """What was received: a file, or an object of an object storage, whose `path` is empty."""

    path: str
    size: int
    hashes: dict[str, str]
    remote_id: str = ""
    remote_url: str = ""

    def form(self, backend: Backend, content_type: str) -> tuple[bytes, str]:
        """The form that stands for it, and the header that lists its file fields: both signed."""
        told = {
            "name": "upload",
            "path": self.path,
            "remote_url": self.remote_url,
            "remote_id": self.remote_id,
            "size": str(self.size),
            "upload_duration": "0.01",
            **self.hashes,
        }
        fields = {f"file.{name}": value for name, value in told.items()}
        fields["file.gitlab-workhorse-upload"] = backend.sign({"upload": told})
        fields["Content-Type"] = content_type
        return urlencode(fields).encode(), backend.sign({"rewritten_fields": {"file": self.path}})


class _Counter:
    """Hashes and counts what passes. Raises TooLargeError."""

    def __init__(self, authorized: dict[str, Any]) -> None:
        wanted = authorized.get("UploadHashFunctions") or HASHES
        self._hashes = {name: hashlib.new(name, usedforsecurity=False) for name in HASHES if name in wanted}
        self._limit = authorized.get("MaximumSize") or None
        self.size = 0

    def counted(self, body: Iterator[bytes]) -> Iterator[bytes]:
        for piece in body:
            self.size += len(piece)
            if self._limit is not None and self.size > self._limit:
                raise TooLargeError
            for digest in self._hashes.values():
                digest.update(piece)
            yield piece

    @property
    def hashes(self) -> dict[str, str]:
        return {name: digest.hexdigest() for name, digest in self._hashes.items()}


def received(body: Iterator[bytes], authorized: dict[str, Any]) -> AbstractContextManager[Upload]:
    """Store a body where the backend wants it; it is gone from there afterwards. Raises TooLargeError."""
    return _in_bucket(body, authorized) if authorized.get("RemoteObject") else _in_directory(body, authorized)


@contextmanager
def _in_directory(body: Iterator[bytes], authorized: dict[str, Any]) -> Iterator[Upload]:
    directory = Path(authorized["TempPath"])
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = directory / f"gitlab-workhorse-upload{secrets.randbelow(10**9)}"
    counter = _Counter(authorized)
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            for piece in counter.counted(body):
                file.write(piece)
        yield Upload(str(path), counter.size, counter.hashes)
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def _in_bucket(body: Iterator[bytes], authorized: dict[str, Any]) -> Iterator[Upload]:
    """By the presigned requests of a multipart upload; the temporary object is deleted after the backend's answer (contract 4.7)."""
    remote, counter = authorized["RemoteObject"], _Counter(authorized)
    parts = remote["MultipartUpload"]
    tags: list[str] = []
    try:
        # More bytes than the URLs are for would be more than the announced size, which the counter refuses.
        for part, url in zip(_in_parts(counter.counted(body), parts["PartSize"]), parts["PartURLs"], strict=False):
            tags.append(_asked("PUT", url, part))
    except BaseException:
        _asked("DELETE", parts["AbortURL"])
        raise
    listed = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in enumerate(tags, 1))
    _asked("POST", parts["CompleteURL"], f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode())
    try:
        yield Upload("", counter.size, counter.hashes, remote["ID"], remote["GetURL"])
    finally:
        _asked("DELETE", remote["DeleteURL"])


def _in_parts(body: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Pieces of that size but for the last one; one empty piece of an empty body."""
    waiting, count = bytearray(), 0
    for piece in body:
        waiting += piece
        while len(waiting) >= size:
            yield bytes(waiting[:size])
            count += 1
            del waiting[:size]
    if waiting or not count:
        yield bytes(waiting)


def _asked(method: str, url: str, body: bytes | None = None) -> str:
    """Make a presigned request of an object storage, and return the answer's ETag. Raises RemoteStorageError."""
    headers = {} if body is None else {"Content-Length": str(len(body))}
    with _answer(method, url, body, headers) as answer:
        text = answer.read()
        if answer.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise RemoteStorageError(f"{method}: {answer.status} {text!r}")
        return answer.headers.get("ETag", "")


@contextmanager
def _answer(method: str, url: str, body: bytes | None, headers: dict[str, str]) -> Iterator[http.client.HTTPResponse]:
    parts = urlsplit(url)
    connected = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    with closing(connected(parts.netloc, timeout=SECONDS)) as connection:
        connection.request(method, f"{parts.path}?{parts.query}", body, headers)
        yield connection.getresponse()


def sent_from_url(reply: Reply) -> tuple[str, bool]:
    """The URL that a backend's `Gitlab-Workhorse-Send-Data: send-url:` names, and whether it may redirect."""
    encoded = reply.header("Gitlab-Workhorse-Send-Data").removeprefix("send-url:")
    told = json.loads(base64.urlsafe_b64decode(encoded))
    return told["URL"], told["AllowRedirects"]


def fetched(url: str, headers: dict[str, str]) -> AbstractContextManager[http.client.HTTPResponse]:
    """The answer to a presigned download, whatever its status; redirects are not followed. A URL is signed for GET alone."""
    return _answer("GET", url, None, headers)


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
