"""LFS objects in a bucket, against moto's server (tests/s3_server.py says what that cannot show)."""

import logging
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from internal_api.errors import UnavailableError
from repositories.lfs import s3_client
from repositories.lfs.errors import UnstorableObjectError
from repositories.lfs.s3_client import MIB
from repositories.lfs.s3_options import S3Options, check_options
from repositories.lfs.s3_storage import UPLOADS, S3Storage, object_key, part_sizes
from repositories.lfs.upload import Upload
from testing.workhorse.uploads import fetched, received
from tests.repositories.lfs.conftest import oid_of
from tests.s3_server import SECRET_KEY, Bucket, running_s3

pytestmark = pytest.mark.once
CONTENT = b"a large picture"
OID, SIZE = oid_of(CONTENT), len(CONTENT)
LONG_AGO = datetime(2009, 1, 1, tzinfo=UTC)
"""Before the day that the server gives as the beginning of every upload."""


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running_s3() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, request: pytest.FixtureRequest) -> Bucket:
    return Bucket(endpoint, f"lfs-{abs(hash(request.node.nodeid)):x}")


@pytest.fixture
def storage(bucket: Bucket, tmp_path: Path) -> S3Storage:
    return S3Storage(bucket.options(), tmp_path)


@contextmanager
def uploaded(storage: S3Storage, content: bytes = CONTENT) -> Iterator[Upload]:
    """What the stand-in of Workhorse has uploaded by what it was told, in parts."""
    told = storage.authorize(len(content)) | {"UploadHashFunctions": ["sha256"]}
    with received(iter([content]), told) as upload:
        yield Upload(upload.size, upload.hashes["sha256"], upload.path, upload.remote_id)


def test_an_upload_in_parts_becomes_an_object(storage: S3Storage, bucket: Bucket) -> None:
    content = bytes(range(256)) * (11 * 4096)  # 11 MiB: three parts
    oid = oid_of(content)
    with uploaded(storage, content) as upload:
        assert storage.find_upload(upload) == len(content)
        assert not storage.exists(oid, len(content))
        storage.store(upload, oid)
    assert storage.exists(oid, len(content))
    assert not storage.exists(oid, len(content) - 1)
    assert bucket.keys() == [object_key(oid)]
    assert bucket.content(object_key(oid)) == content
    with storage.open(oid) as found:
        found.seek(10 * MIB)
        assert found.read(MIB // 2) + found.read(2 * MIB) == content[10 * MIB :]
    storage.delete(oid)
    storage.delete(oid)
    assert not storage.exists(oid, len(content))
    with pytest.raises(FileNotFoundError):
        storage.open(oid)


def test_an_upload_that_the_service_has_received_itself(storage: S3Storage, bucket: Bucket, tmp_path: Path) -> None:
    """Contract: git-http 4.6."""
    path = tmp_path / "tmp" / "uploads" / "upload-1"
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    upload = Upload(SIZE, OID, str(path))
    assert storage.find_upload(upload) == SIZE
    storage.store(upload, OID)
    assert bucket.content(object_key(OID)) == CONTENT


@pytest.mark.parametrize("remote_id", ["", "../../x", "0" * 31, "0" * 32, "0" * 33, "A" * 32, "0" * 31 + "\n", f"../{'0' * 32}", OID])
def test_only_an_upload_that_was_made_here_is_found(storage: S3Storage, bucket: Bucket, remote_id: str) -> None:
    """Contract: git-http 4.3, case 169."""
    bucket.client.put_object(Bucket=bucket.name, Key="x", Body=b"somebody's")
    with pytest.raises(UnstorableObjectError):
        storage.find_upload(Upload(1, OID, "", remote_id))


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, (5 * MIB, 1)),
        (1, (5 * MIB, 1)),
        (5 * MIB, (5 * MIB, 1)),
        (5 * MIB + 1, (5 * MIB, 2)),
        (500 * MIB, (5 * MIB, 100)),
        (500 * MIB + 1, (10 * MIB, 100)),
        (50_000 * MIB, (500 * MIB, 100)),
    ],
)
def test_the_parts_hold_the_whole_object(size: int, expected: tuple[int, int]) -> None:
    """Contract: git-http 4.7."""
    part, parts = part_sizes(size)
    assert (part, parts) == expected
    assert part * parts >= size


def test_what_workhorse_is_told(storage: S3Storage) -> None:
    """Contract: git-http 4.7, case 166: nothing but the host is signed, so that Workhorse need not send any header."""
    told = storage.authorize(12 * MIB)
    assert list(told) == ["RemoteObject"]
    remote = told["RemoteObject"]
    parts = remote["MultipartUpload"]
    assert (remote["CustomPutHeaders"], remote["PutHeaders"], remote["Timeout"], len(parts["PartURLs"])) == (True, {}, 4 * 3600, 3)
    urls = [remote["StoreURL"], remote["DeleteURL"], remote["GetURL"], *parts["PartURLs"], parts["CompleteURL"], parts["AbortURL"]]
    for url in urls:
        query = parse_qs(urlsplit(url).query)
        assert query["X-Amz-SignedHeaders"] == ["host"], url
        assert int(query["X-Amz-Expires"][0]) > 4 * 3600
        assert SECRET_KEY not in url
        assert f"/{UPLOADS}{remote['ID']}" in urlsplit(url).path


def test_a_download_is_signed_as_boto3_signs_it(storage: S3Storage, bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket.client.put_object(Bucket=bucket.name, Key=object_key(OID), Body=CONTENT)
    frozen = timezone.now().replace(tzinfo=None, microsecond=0)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda *args, **options: frozen)
    ours, theirs = storage.locate(OID), storage.client.presigned("get_object", 3600, Key=object_key(OID))
    assert urlsplit(ours).path == urlsplit(theirs).path
    assert parse_qs(urlsplit(ours).query) == parse_qs(urlsplit(theirs).query)
    with fetched(ours, {}) as answer:
        assert answer.read() == CONTENT


@pytest.mark.parametrize(
    ("options", "address"),
    [
        (S3Options("lfs", region="eu-central-1"), "https://lfs.s3.eu-central-1.amazonaws.com/"),
        (S3Options("lfs"), "https://lfs.s3.amazonaws.com/"),
        (S3Options("lfs", region="eu-central-1", path_style=True), "https://s3.eu-central-1.amazonaws.com/lfs/"),
        # A name with dots has no certificate below that of the storage.
        (S3Options("lfs.example", region="eu-central-1"), "https://s3.eu-central-1.amazonaws.com/lfs.example/"),
        (S3Options("lfs", "https://minio.example.com:9000", "eu-central-1"), "https://lfs.minio.example.com:9000/"),
        (S3Options("lfs", "https://minio.example.com:9000", path_style=True), "https://minio.example.com:9000/lfs/"),
    ],
)
def test_urls_lead_to_the_server_of_the_bucket(options: S3Options, address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Redirects are no use: a signature holds for one host, and Workhorse follows none."""
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    storage = S3Storage(replace(options, access_key="key", secret_key=SECRET_KEY), tmp_path)
    for url in (storage.locate(OID), storage.client.presigned("get_object", 60, Key=object_key(OID))):
        assert url.partition("?")[0] == address + object_key(OID)
        scope = f"{options.region or 'us-east-1'}/s3/aws4_request"
        assert parse_qs(urlsplit(url).query)["X-Amz-Credential"][0].endswith(scope)


@pytest.mark.parametrize("call", ["authorize", "locate", "exists"])
def test_without_credentials_the_storage_is_unavailable(endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str) -> None:
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")  # what a machine's role is asked
    storage = S3Storage(S3Options("bucket", endpoint, "eu-central-1", path_style=True), tmp_path)
    arguments: dict[str, tuple[Any, ...]] = {"authorize": (SIZE,), "locate": (OID,), "exists": (OID, SIZE)}
    with pytest.raises(UnavailableError, match="NoCredentialsError"):
        getattr(storage, call)(*arguments[call])


def test_what_interrupted_uploads_leave_is_removed(storage: S3Storage, bucket: Bucket) -> None:
    storage.authorize(SIZE)
    bucket.client.put_object(Bucket=bucket.name, Key=f"{UPLOADS}{'0' * 32}", Body=CONTENT)
    bucket.client.put_object(Bucket=bucket.name, Key=object_key(OID), Body=CONTENT)
    assert storage.delete_stale_uploads(LONG_AGO) == 0
    assert len(bucket.unfinished()) == 1
    assert storage.delete_stale_uploads(timezone.now() + timedelta(hours=1)) == 2
    assert (bucket.keys(), bucket.unfinished()) == ([object_key(OID)], [])


def test_trying_out_leaves_nothing(storage: S3Storage, bucket: Bucket) -> None:
    storage.try_out()
    assert (bucket.keys(), bucket.unfinished()) == ([], [])


@pytest.mark.parametrize("call", ["authorize", "find_upload", "store", "exists", "open", "delete", "delete_stale_uploads", "try_out"])
def test_a_bucket_that_is_not_there(endpoint: str, tmp_path: Path, call: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    for name in ("boto3", "botocore", "s3transfer", "urllib3"):
        assert logging.getLogger(name).getEffectiveLevel() >= logging.WARNING
    options = S3Options("no-such-bucket", endpoint, "eu-central-1", "key", "a secret key", path_style=True)
    storage = S3Storage(options, tmp_path)
    upload = Upload(SIZE, OID, "", "0" * 32)
    arguments: dict[str, tuple[Any, ...]] = {
        "authorize": (SIZE,),
        "find_upload": (upload,),
        "store": (upload, OID),
        "exists": (OID, SIZE),
        "open": (OID,),
        "delete": (OID,),
        "delete_stale_uploads": (timezone.now(),),
        "try_out": (),
    }
    # A HEAD has no body that says whether the bucket or the object is missing.
    expected = {"find_upload": UnstorableObjectError, "open": FileNotFoundError}.get(call, UnavailableError)
    if call == "exists":
        assert not storage.exists(OID, SIZE)
    else:
        with pytest.raises(expected) as told:
            getattr(storage, call)(*arguments[call])
        assert "a secret key" not in str(told.value)
        assert "X-Amz" not in str(told.value)
    assert "a secret key" not in caplog.text + repr(options)


def silent() -> tuple[socket.socket, str]:
    """A server that takes connections and never answers."""
    server = socket.create_server(("127.0.0.1", 0), backlog=100)
    return server, f"http://127.0.0.1:{server.getsockname()[1]}"


def test_a_storage_that_does_not_answer_is_left_alone_and_asked_again(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No caller waits for it any more after a few time-outs, and it is well again by itself."""
    monkeypatch.setattr(s3_client, "READ_SECONDS", 0.2)
    monkeypatch.setattr(s3_client, "PAUSE", 0.5)
    server, url = silent()
    storage = S3Storage(S3Options(bucket.name, url, "eu-central-1", "key", "secret", path_style=True), tmp_path)
    with server:
        for _ in range(s3_client.FAILURES):
            with pytest.raises(UnavailableError, match="ReadTimeoutError"):
                storage.exists(OID, SIZE)
        with pytest.raises(UnavailableError, match="it has not answered recently"):
            storage.exists(OID, SIZE)
    storage.client.quick.meta.events.register("before-send.s3", lambda **_: None)
    time.sleep(0.6)
    storage.client.options = bucket.options()
    del storage.client.quick, storage.client._session  # noqa: SLF001  the same circuit, another server
    bucket.client.put_object(Bucket=bucket.name, Key=object_key(OID), Body=CONTENT)
    assert storage.exists(OID, SIZE)
    assert storage.exists(OID, SIZE)


def test_at_most_half_of_the_threads_wait_for_the_storage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_client, "READ_SECONDS", 3)
    s3_client._bulkhead.cache_clear()  # noqa: SLF001  with the threads of this test's settings
    server, url = silent()
    storage = S3Storage(S3Options("bucket", url, "eu-central-1", "key", "secret", path_style=True), tmp_path)
    told: list[str] = []

    def ask() -> None:
        try:
            storage.exists(OID, SIZE)
        except UnavailableError as error:
            told.append(str(error))

    with server:
        threads = [threading.Thread(target=ask) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    waited = [text for text in told if "Timeout" in text]
    assert len(told) == 24
    assert 0 < len(waited) <= 8, told
    assert any("too many requests wait for it" in text for text in told)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (S3Options("UPPER"), "LFS_S3_BUCKET must be the name of a bucket"),
        (S3Options("ab"), "LFS_S3_BUCKET must be the name of a bucket"),
        (S3Options("bucket", "ftp://example.com"), "LFS_S3_ENDPOINT must be an http or https URL"),
        (S3Options("bucket", "example.com"), "LFS_S3_ENDPOINT must be an http or https URL"),
        (S3Options("bucket", "https://user:password@example.com"), "LFS_S3_ENDPOINT must hold neither credentials nor a query"),
        (S3Options("bucket", "https://example.com?x=1"), "LFS_S3_ENDPOINT must hold neither credentials nor a query"),
        (S3Options("bucket", access_key="key"), "LFS_S3_ACCESS_KEY and LFS_S3_SECRET_KEY go together"),
    ],
)
def test_settings_that_cannot_work_are_refused(options: S3Options, message: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=message) as told:
        check_options(options)
    assert "password" not in str(told.value)


def test_without_boto3_a_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"requirements/s3\.txt"):
        check_options(S3Options("bucket"))


def test_settings_that_work() -> None:
    check_options(S3Options("lfs.example-1", "https://minio.example.com:9000", "x", "key", "secret", path_style=True))
    check_options(S3Options("bucket"))
