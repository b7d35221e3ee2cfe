"""The settings of a bucket for LFS objects, and what makes them unfit; the settings module imports it."""

import importlib.util
import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)


@dataclass(frozen=True, slots=True)
class S3Options:
    """Where the bucket is, and with which credentials; empty ones are looked for by boto3.

    `is_direct`: clients download from the bucket.
    """

    bucket: str
    endpoint: str = ""
    region: str = ""
    access_key: str = ""
    secret_key: str = field(default="", repr=False)
    path_style: bool = False
    is_direct: bool = True


def check_options(options: S3Options) -> None:
    """Raise ImproperlyConfigured for settings that cannot work, and where boto3 is not installed."""
    if not _BUCKET.fullmatch(options.bucket):
        raise ImproperlyConfigured(
            f"LFS_S3_BUCKET must be the name of a bucket (3 to 63 lower-case letters, digits, dots and hyphens), not {options.bucket!r}."
        )
    parts = urlsplit(options.endpoint)
    if options.endpoint and (parts.scheme not in {"http", "https"} or not parts.hostname):
        raise ImproperlyConfigured(f"LFS_S3_ENDPOINT must be an http or https URL, not {options.endpoint!r}.")
    if parts.username or parts.password or parts.query:
        raise ImproperlyConfigured("LFS_S3_ENDPOINT must hold neither credentials nor a query: LFS_S3_ACCESS_KEY and LFS_S3_SECRET_KEY do.")
    if bool(options.access_key) is not bool(options.secret_key):
        raise ImproperlyConfigured("LFS_S3_ACCESS_KEY and LFS_S3_SECRET_KEY go together: one of them is empty.")
    if importlib.util.find_spec("boto3") is None:
        raise ImproperlyConfigured(
            "LFS_S3_BUCKET names a bucket, and boto3 is not installed: pip install --require-hashes -r requirements/s3.txt."
        )
