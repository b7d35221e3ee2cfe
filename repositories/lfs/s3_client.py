"""The connection to a bucket of an S3-compatible object storage, and what becomes of its failures.

boto3 comes with the extra `s3` and is imported where a bucket is configured only.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cached_property, lru_cache
from typing import Any

from django.conf import settings

from internal_api.bulkhead import Bulkhead, NoPlaceError
from internal_api.circuit_breaker import CircuitBreaker, CircuitOpenError
from internal_api.errors import UnavailableError
from repositories.lfs.s3_options import S3Options

logger = logging.getLogger(__name__)
MIB = 1024 * 1024
CONNECT_SECONDS, READ_SECONDS, COPY_SECONDS = 3, 10, 300
"""Time-outs. Copying answers when all bytes of a part are copied."""
FAILURES, PAUSE = 3, 3.0
"""Failures in a row after which the storage counts as away, and for how long it is not asked."""
MISSING = frozenset({"404", "NoSuchKey", "NotFound", "NoSuchUpload"})
AWAY = "The LFS storage is not available at the moment ({reason}). Please try again later."
CROWDED = AWAY.format(reason="too many requests wait for it")
_AWAY = frozenset({"SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "500", "503"})
"""Error codes that speak of the storage, and of no single request."""


class S3Client:
    """The bucket's client: made at its first use, shared by all threads."""

    def __init__(self, options: S3Options) -> None:
        self.options = options
        self._breaker = CircuitBreaker(FAILURES, PAUSE)
        self._making = threading.Lock()
        """boto3's clients are shared by threads, the session that makes them is not."""

    @cached_property
    def _session(self) -> Any:
        import boto3  # noqa: PLC0415  an extra

        options = self.options
        return boto3.session.Session(
            aws_access_key_id=options.access_key or None,
            aws_secret_access_key=options.secret_key or None,
            region_name=options.region or None,
        )

    @cached_property
    def quick(self) -> Any:
        """boto3's client for calls that answer at once."""
        return self._client(READ_SECONDS)

    @cached_property
    def patient(self) -> Any:
        """boto3's client for copying."""
        return self._client(COPY_SECONDS)

    def _client(self, read_timeout: int) -> Any:
        from botocore.config import Config  # noqa: PLC0415  an extra

        config = Config(
            signature_version="s3v4",
            # Not "auto": it signs URLs for the region us-east-1, whose server redirects to that of a new bucket.
            s3={"addressing_style": "path" if self.options.path_style else "virtual"},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=read_timeout,
            retries={"mode": "standard", "total_max_attempts": 2},
            # Workhorse, which uses the presigned URLs, sends no checksums; many storages know none.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        )
        with self._making:
            return self._session.client("s3", endpoint_url=self.options.endpoint or None, config=config)

    def presigned(self, operation: str, seconds: int, **parameters: Any) -> str:
        """Return a URL that does one thing to the bucket for so many seconds, with no header signed but Host.

        Raises UnavailableError without credentials.
        """
        named = {"Bucket": self.options.bucket, **parameters}
        with self._signing():
            return str(self.quick.generate_presigned_url(operation, Params=named, ExpiresIn=seconds))

    def presigned_download(self, key: str, seconds: int) -> str:
        """Return a URL for one object's content; a quarter of what `presigned` costs, as a batch has many.

        `key` needs no percent-encoding. Raises UnavailableError without credentials.
        """
        from botocore.auth import S3SigV4QueryAuth  # noqa: PLC0415  an extra
        from botocore.awsrequest import AWSRequest  # noqa: PLC0415  likewise

        request = AWSRequest("GET", self._address + key)
        region = self.quick.meta.region_name
        with self._signing():
            S3SigV4QueryAuth(self._session.get_credentials(), "s3", region, expires=seconds).add_auth(request)
        return str(request.url)

    @cached_property
    def _address(self) -> str:
        """The URL of the bucket, with a slash at its end."""
        return self.presigned("get_object", 1, Key="x").partition("?")[0].removesuffix("x")

    @contextmanager
    def _signing(self) -> Iterator[None]:
        """Sign URLs inside. Raises UnavailableError where boto3 has no credentials.

        It fetches those of a machine's role now and then, from a service that may be as slow as a bucket.
        """
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415  an extra

        try:
            with nullcontext() if self.options.access_key else _bulkhead().place("s3"):
                yield
        except NoPlaceError as error:
            raise UnavailableError(CROWDED) from error
        except BotoCoreError as error:
            raise _unavailable(error) from None

    def size(self, key: str) -> int | None:
        """Return the bytes of an object; None without one. Raises UnavailableError."""
        with self.call():
            try:
                found = self.quick.head_object(Bucket=self.options.bucket, Key=key)
            except self.quick.exceptions.ClientError as error:
                if error_code(error) in MISSING:
                    return None
                raise
        return int(found["ContentLength"])

    @contextmanager
    def call(self) -> Iterator[None]:
        """Make calls of boto3's inside: at most half of the threads wait for the storage, and none while it is away.

        Raises UnavailableError for whatever boto3 raises. Its text has no URL, which may hold a signature.
        """
        from boto3.exceptions import Boto3Error  # noqa: PLC0415  an extra
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  likewise

        try:
            with _bulkhead().place("s3"):
                self._breaker.admit()
                try:
                    yield
                except (BotoCoreError, Boto3Error, ClientError) as error:
                    self._note(error)
                    raise
                except BaseException:
                    self._breaker.succeeded()
                    raise
                self._breaker.succeeded()
        except NoPlaceError as error:
            raise UnavailableError(CROWDED) from error
        except CircuitOpenError as error:
            raise UnavailableError(AWAY.format(reason="it has not answered recently")) from error
        except (BotoCoreError, Boto3Error, ClientError) as error:
            raise _unavailable(error) from None  # not chained: the texts of boto3's errors hold URLs

    def _note(self, error: Exception) -> None:
        """A refusal of one request is an answer, and an answer closes the circuit."""
        code = error_code(error)
        if code and code not in _AWAY:
            self._breaker.succeeded()
        else:
            self._breaker.failed()


def _unavailable(error: Exception) -> UnavailableError:
    reason = error_code(error) or type(error).__name__
    logger.warning("The LFS storage has failed: %s", reason)
    return UnavailableError(AWAY.format(reason=reason))


def error_code(error: Any) -> str:
    """Return the storage's own code of an error, such as `AccessDenied`; "" where it has not answered."""
    response = getattr(error, "response", None) or {}
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


@lru_cache(maxsize=1)
def _bulkhead() -> Bulkhead:
    return Bulkhead(settings.WEB_THREADS)
