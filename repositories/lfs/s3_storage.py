"""LFS objects in a bucket of an S3-compatible object storage (contract: git-http 4.7, LD10).

Workhorse uploads to a temporary key by presigned multipart requests, so it needs no credentials. The object is
copied to its own key before the upload is answered; Workhorse then deletes the temporary one.
"""

import math
import re
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

from repositories.lfs.errors import UnstorableObjectError
from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.s3_client import MIB, S3Client
from repositories.lfs.s3_options import S3Options
from repositories.lfs.upload import Upload

LEAST_PART = 5 * MIB
MOST_PARTS = 100
UPLOAD_SECONDS = 4 * 3600
PRESIGNED_SECONDS = UPLOAD_SECONDS + 900
"""Longer than Workhorse goes on uploading."""
DOWNLOAD_SECONDS = 3600
COPY_PART = 256 * MIB
COPY_THREADS = 4
UPLOADS = "tmp/uploads/"
_REMOTE_ID = re.compile(r"[0-9a-f]{32}", re.ASCII)


class S3Storage:
    """A bucket; see `LFSStorage` for what each method promises. `spool` holds what the service itself receives."""

    def __init__(self, options: S3Options, spool: Path) -> None:
        self.client = S3Client(options)
        self.bucket = options.bucket
        self.is_direct = options.is_direct
        self._spool = LocalStorage(spool)

    def authorize(self, size: int) -> dict[str, Any]:
        """The length of an upload is unknown to Workhorse, hence the parts; no header of its requests is signed."""
        remote_id = uuid.uuid4().hex
        key = UPLOADS + remote_id
        with self.client.call():
            begun = self.client.quick.create_multipart_upload(Bucket=self.bucket, Key=key)
        target = {"Key": key, "UploadId": begun["UploadId"]}
        part_size, parts = part_sizes(size)
        numbers = range(1, parts + 1)
        return {
            "RemoteObject": {
                "ID": remote_id,
                "StoreURL": self._presigned("put_object", Key=key),
                "DeleteURL": self._presigned("delete_object", Key=key),
                "GetURL": self._presigned("get_object", Key=key),
                "MultipartUpload": {
                    "PartSize": part_size,
                    "PartURLs": [self._presigned("upload_part", **target, PartNumber=number) for number in numbers],
                    "CompleteURL": self._presigned("complete_multipart_upload", **target),
                    "AbortURL": self._presigned("abort_multipart_upload", **target),
                },
                "Timeout": UPLOAD_SECONDS,
                "CustomPutHeaders": True,
                "PutHeaders": {},
            }
        }

    def _presigned(self, operation: str, **parameters: Any) -> str:
        return self.client.presigned(operation, PRESIGNED_SECONDS, **parameters)

    def find_upload(self, upload: Upload) -> int:
        """A temporary object whose id this service has made, or a file that it has received itself."""
        if upload.path:
            return self._spool.find_upload(upload)
        size = self.client.size(UPLOADS + upload.remote_id) if _REMOTE_ID.fullmatch(upload.remote_id) else None
        if size is None:
            raise UnstorableObjectError
        return size

    def store(self, upload: Upload, oid: str) -> None:
        """The storage copies by itself; an object appears whole, or not at all."""
        from boto3.s3.transfer import TransferConfig  # noqa: PLC0415  an extra

        config = TransferConfig(multipart_threshold=COPY_PART, multipart_chunksize=COPY_PART, max_concurrency=COPY_THREADS)
        with self.client.call():
            if upload.path:
                config = TransferConfig(use_threads=False)
                self.client.patient.upload_file(upload.path, self.bucket, object_key(oid), Config=config)
            else:
                source = {"Bucket": self.bucket, "Key": UPLOADS + upload.remote_id}
                self.client.patient.copy(source, self.bucket, object_key(oid), Config=config)

    def open(self, oid: str) -> BinaryIO:
        if self.client.size(object_key(oid)) is None:
            raise FileNotFoundError(oid)
        return cast("BinaryIO", _Content(self.client, object_key(oid)))

    def locate(self, oid: str) -> str:
        return self.client.presigned_download(object_key(oid), DOWNLOAD_SECONDS)

    def exists(self, oid: str, size: int) -> bool:
        return self.client.size(object_key(oid)) == size

    def delete(self, oid: str) -> None:
        with self.client.call():
            self.client.quick.delete_object(Bucket=self.bucket, Key=object_key(oid))

    def try_out(self) -> None:
        """Do once, with a small object, all that uploads, downloads and the clean-up do. Raises UnavailableError."""
        client, named = self.client.quick, {"Bucket": self.bucket, "Key": f"{UPLOADS}{uuid.uuid4().hex}"}
        with self.client.call():
            begun = client.create_multipart_upload(**named)
            client.abort_multipart_upload(**named, UploadId=begun["UploadId"])
            client.put_object(**named, Body=b"x")
            client.copy_object(**named | {"Key": f"{named['Key']}-copy"}, CopySource=named)
            client.get_object(**named)["Body"].read()
            client.list_objects_v2(Bucket=self.bucket, Prefix=UPLOADS, MaxKeys=1)
            client.list_multipart_uploads(Bucket=self.bucket, Prefix=UPLOADS, MaxUploads=1)
            for key in (named["Key"], f"{named['Key']}-copy"):
                client.delete_object(Bucket=self.bucket, Key=key)

    def delete_stale_uploads(self, before: datetime) -> int:
        removed = self._spool.delete_stale_uploads(before)
        client, named = self.client.quick, {"Bucket": self.bucket, "Prefix": UPLOADS}
        with self.client.call():
            for page in client.get_paginator("list_objects_v2").paginate(**named):
                for found in page.get("Contents", ()):
                    if found["LastModified"] < before:
                        client.delete_object(Bucket=self.bucket, Key=found["Key"])
                        removed += 1
            for page in client.get_paginator("list_multipart_uploads").paginate(**named):
                for found in page.get("Uploads", ()):
                    if found["Initiated"] < before:
                        begun = {"Key": found["Key"], "UploadId": found["UploadId"]}
                        client.abort_multipart_upload(Bucket=self.bucket, **begun)
                        removed += 1
        return removed


def part_sizes(size: int) -> tuple[int, int]:
    """Return how many bytes a part of an upload has, and how many parts there are."""
    parts = max(min(math.ceil(size / LEAST_PART), MOST_PARTS), 1)
    return max(math.ceil(size / parts / LEAST_PART), 1) * LEAST_PART, parts


def object_key(oid: str) -> str:
    """Return the key of an object, there or not."""
    return f"{oid[:2]}/{oid[2:4]}/{oid[4:]}"


class _Content:
    """An object's bytes from a position on, fetched when they are first read."""

    def __init__(self, client: S3Client, key: str) -> None:
        self._client, self._key = client, key
        self._start = 0
        self._body: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def seek(self, position: int) -> None:
        """Begin there; before anything is read."""
        self._start = position

    def read(self, size: int) -> bytes:
        """Return the next bytes. Raises UnavailableError."""
        with self._client.call():
            if self._body is None:
                bucket, start = self._client.options.bucket, f"bytes={self._start}-"
                self._body = self._client.quick.get_object(Bucket=bucket, Key=self._key, Range=start)["Body"]
            return bytes(self._body.read(size))

    def close(self) -> None:
        """Give the connection back."""
        if self._body is not None:
            self._body.close()
