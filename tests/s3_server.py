"""An S3-compatible object storage on a loopback port: moto's server, over real HTTP.

It takes multipart uploads, copies, ranges and presigned URLs as S3's documentation has them. What it cannot show: it verifies no
signature and lets no URL expire, has no limits of size or rate, and copies at once. Signatures are held against boto3's own by a test.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto.server import ThreadedMotoServer

from repositories.lfs.s3_options import S3Options

REGION, ACCESS_KEY, SECRET_KEY = "eu-central-1", "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"


class Bucket:
    """A bucket of such a storage, and what lies in it."""

    def __init__(self, endpoint: str, name: str) -> None:
        self.endpoint, self.name = endpoint, name
        self.client: Any = boto3.client(
            "s3", endpoint_url=endpoint, region_name=REGION, aws_access_key_id=ACCESS_KEY, aws_secret_access_key=SECRET_KEY
        )
        self.client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})

    def options(self, *, is_direct: bool = True) -> S3Options:
        """The settings that lead there."""
        return S3Options(self.name, self.endpoint, REGION, ACCESS_KEY, SECRET_KEY, path_style=True, is_direct=is_direct)

    def variables(self, *, is_direct: bool = True) -> dict[str, str]:
        """The same as environment variables."""
        return {
            "LFS_S3_BUCKET": self.name,
            "LFS_S3_ENDPOINT": self.endpoint,
            "LFS_S3_REGION": REGION,
            "LFS_S3_ACCESS_KEY": ACCESS_KEY,
            "LFS_S3_SECRET_KEY": SECRET_KEY,
            "LFS_S3_PATH_STYLE": "true",
            "LFS_PROXY_DOWNLOAD": str(not is_direct).lower(),
        }

    def keys(self) -> list[str]:
        """The keys of all objects."""
        return [found["Key"] for found in self.client.list_objects_v2(Bucket=self.name).get("Contents", ())]

    def content(self, key: str) -> bytes:
        """An object's bytes."""
        return bytes(self.client.get_object(Bucket=self.name, Key=key)["Body"].read())

    def unfinished(self) -> list[str]:
        """The keys of multipart uploads that are under way."""
        return [found["Key"] for found in self.client.list_multipart_uploads(Bucket=self.name).get("Uploads", ())]


@contextmanager
def running_s3() -> Iterator[str]:
    """Such a storage for as long as the block runs; its URL."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # else a line for each request
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()
