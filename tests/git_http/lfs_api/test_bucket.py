"""Objects in a bucket: what Workhorse and git-lfs are told (contract: git-http 4.7), against moto's server."""

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.test import Client
from pytest_django.fixtures import Settings

from internal_api.doctor import Consultation, Level, examine
from repositories.lfs.s3_storage import object_key
from repositories.lfs.selectors import linked_sizes
from repositories.lfs.storage import lfs_storage
from repositories.models import LFSObject
from testing.workhorse.uploads import fetched, received
from tests.git_http.lfs_api.conftest import CONTENT, LFS, OID, SIZE, content, entries, refused
from tests.repositories.lfs.conftest import oid_of
from tests.s3_server import SECRET_KEY, Bucket, running_s3

FORBIDDEN = "Access forbidden. Check your access level."
VERSION = "18.9.0"
"""Workhorse's, in a header of whatever it passes on."""
type_of_pat = Callable[..., str]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    with running_s3() as url:
        yield url


@pytest.fixture
def bucket(endpoint: str, request: pytest.FixtureRequest, settings: Settings) -> Bucket:
    """The configured bucket, from which clients download."""
    made = Bucket(endpoint, f"lfs-{abs(hash(request.node.nodeid)):x}")
    settings.LFS_S3 = made.options()
    return made


@pytest.fixture
def proxied(bucket: Bucket, settings: Settings) -> Bucket:
    """The configured bucket, from which Workhorse downloads."""
    settings.LFS_S3 = bucket.options(is_direct=False)
    return bucket


@contextmanager
def uploaded(lfs: LFS, authorization: str, body: bytes = CONTENT) -> Iterator[dict[str, str]]:
    """What the stand-in of Workhorse says of an upload that it was authorised to."""
    answer = lfs.authorize(authorization, oid_of(body), len(body))
    assert answer.status_code == 200, answer.content
    with received(iter([body]), answer.json()) as upload:
        yield {
            "name": "upload",
            "path": upload.path,
            "remote_id": upload.remote_id,
            "remote_url": upload.remote_url,
            "size": str(upload.size),
            **upload.hashes,
        }


@pytest.fixture
def linked(lfs: LFS, bucket: Bucket, pat: type_of_pat) -> LFS:
    """The object was uploaded to the project."""
    with uploaded(lfs, pat("ann")) as told:
        assert lfs.finalize(pat("ann"), told=told).status_code == 200
    return lfs


def test_workhorse_is_told_to_upload_to_the_bucket(lfs: LFS, bucket: Bucket, pat: type_of_pat) -> None:
    """Contract: git-http 166."""
    told = lfs.authorize(pat("ann")).json()
    remote = told.pop("RemoteObject")
    assert told == {"LfsOid": OID, "LfsSize": SIZE, "MaximumSize": SIZE, "UploadHashFunctions": ["sha256"]}
    assert set(remote) >= {"ID", "StoreURL", "DeleteURL", "GetURL", "MultipartUpload"}
    assert set(remote["MultipartUpload"]) == {"PartSize", "PartURLs", "CompleteURL", "AbortURL"}
    assert SECRET_KEY not in json.dumps(remote)


@pytest.mark.parametrize("chunked", [False, True])
def test_upload_is_copied_to_its_own_key(lfs: LFS, bucket: Bucket, pat: type_of_pat, chunked: bool) -> None:
    with uploaded(lfs, pat("ann")) as told:
        answer = lfs.finalize(pat("ann"), told=told, chunked=chunked)
    assert answer.status_code == 200, answer.content
    assert (bucket.keys(), bucket.unfinished()) == ([object_key(OID)], [])
    assert bucket.content(object_key(OID)) == CONTENT
    assert linked_sizes(7, [OID]) == {OID: SIZE}


@pytest.mark.parametrize("remote_id", ["../../x", "0" * 32])
def test_upload_that_nobody_was_authorised_to_is_refused(lfs: LFS, bucket: Bucket, pat: type_of_pat, remote_id: str) -> None:
    """Contract: git-http 169."""
    told = {"name": "upload", "path": "", "remote_id": remote_id, "remote_url": "", "size": str(SIZE), "sha256": OID}
    refused(lfs.finalize(pat("ann"), told=told), 403, FORBIDDEN)
    assert not LFSObject.objects.exists()


def test_upload_of_other_content_is_refused_and_leaves_nothing(lfs: LFS, bucket: Bucket, pat: type_of_pat) -> None:
    other = b"another pictur!"
    assert len(other) == SIZE
    answer = lfs.authorize(pat("ann"))
    with received(iter([other]), answer.json()) as upload:
        told = {"path": "", "remote_id": upload.remote_id, "size": str(upload.size), **upload.hashes}
        refused(lfs.finalize(pat("ann"), told=told), 400, "SHA256 or size mismatch")
    assert bucket.keys() == []
    assert not LFSObject.objects.exists()


def test_clients_download_from_the_bucket(linked: LFS, bucket: Bucket, pat: type_of_pat) -> None:
    """Contract: git-http 167."""
    (entry,) = entries(linked.batch("download", pat("rex")))
    download = entry["actions"]["download"]
    assert set(download) == {"href"}
    answer = linked.get(f"gitlab-lfs/objects/{OID}", pat("rex"), gitlab_workhorse=VERSION)
    assert answer.status_code == 302
    for url in (download["href"], answer["Location"]):
        assert parse_qs(urlsplit(url).query)["X-Amz-Expires"] == ["3600"]
        with fetched(url, {}) as found:
            assert found.read() == CONTENT


@pytest.mark.parametrize("is_direct", [True, False])
def test_head_tells_the_length_and_leads_nowhere(
    linked: LFS, bucket: Bucket, pat: type_of_pat, settings: Settings, is_direct: bool
) -> None:
    """Contract: git-http 4.5: a URL that is signed for GET refuses HEAD."""
    settings.LFS_S3 = bucket.options(is_direct=is_direct)
    url = linked.url(f"gitlab-lfs/objects/{OID}")
    answer = linked.client.head(url, headers={"authorization": pat("rex"), "gitlab-workhorse": VERSION})
    assert (answer.status_code, answer["Content-Length"], answer["ETag"]) == (200, str(SIZE), f'"{OID}"')
    assert "Gitlab-Workhorse-Send-Data" not in answer


def test_an_object_of_another_project_has_no_url(linked: LFS, bucket: Bucket, pat: type_of_pat, project8: Any) -> None:
    other = linked.at("gnuwget/private")
    refused(other.get(f"gitlab-lfs/objects/{OID}", pat("out"), gitlab_workhorse=VERSION), 404)
    (entry,) = entries(linked.batch("download", pat("rex"), ("1" * 64, SIZE)))
    assert entry["error"]["code"] == 404
    assert "X-Amz" not in json.dumps(entry)


def test_workhorse_fetches_what_clients_may_not(linked: LFS, proxied: Bucket, pat: type_of_pat) -> None:
    (entry,) = entries(linked.batch("download", pat("rex")))
    assert "X-Amz" not in json.dumps(entry)
    answer = linked.get(f"gitlab-lfs/objects/{OID}", pat("rex"), gitlab_workhorse=VERSION)
    assert (answer.status_code, answer.content) == (200, b"")
    kind, _, encoded = answer["Gitlab-Workhorse-Send-Data"].partition(":")
    told = json.loads(urlsafe_b64decode(encoded))
    assert (kind, told["AllowRedirects"], told["Method"]) == ("send-url", False, "GET")
    with fetched(told["URL"], {"Range": "bytes=2-4"}) as found:
        assert (found.status, found.read()) == (206, CONTENT[2:5])


def test_without_workhorse_the_content_is_streamed_from_the_bucket(linked: LFS, proxied: Bucket, pat: type_of_pat) -> None:
    path = f"gitlab-lfs/objects/{OID}"
    assert content(linked.get(path, pat("rex"))) == CONTENT
    assert content(linked.get(path, pat("rex"), range="bytes=2-4"), 206) == CONTENT[2:5]


def test_a_large_object_is_streamed_from_the_bucket(lfs: LFS, proxied: Bucket, pat: type_of_pat) -> None:
    body = bytes(range(256)) * 5000
    with uploaded(lfs, pat("ann"), body) as told:
        assert lfs.finalize(pat("ann"), oid_of(body), len(body), told=told).status_code == 200
    path = f"gitlab-lfs/objects/{oid_of(body)}"
    assert content(lfs.get(path, pat("rex"))) == body
    assert content(lfs.get(path, pat("rex"), range="bytes=1000-999999"), 206) == body[1000:1000000]


def test_gitaly_has_the_bytes_and_no_redirect(linked: LFS, bucket: Bucket, shell: Client) -> None:
    """Contract: git-http 4.6, LD14: Gitaly's helper follows no redirect."""
    assert content(shell.get("/api/v4/internal/lfs", {"oid": OID, "gl_repository": "project-7"})) == CONTENT


def test_embedded_uploads_go_to_the_bucket(lfs: LFS, bucket: Bucket, pat: type_of_pat, settings: Settings) -> None:
    settings.LFS_EMBEDDED_UPLOADS = True
    answer = lfs.client.put(
        lfs.url(f"gitlab-lfs/objects/{OID}/{SIZE}"), CONTENT, content_type="application/octet-stream", headers={"authorization": pat("ann")}
    )
    assert answer.status_code == 200, answer.content
    assert bucket.content(object_key(OID)) == CONTENT
    assert list((settings.LFS_STORAGE_PATH / "tmp" / "uploads").iterdir()) == []


def test_an_object_that_is_gone_from_the_bucket_is_not_found(linked: LFS, bucket: Bucket, pat: type_of_pat) -> None:
    bucket.client.delete_object(Bucket=bucket.name, Key=object_key(OID))
    refused(linked.get(f"gitlab-lfs/objects/{OID}", pat("rex"), gitlab_workhorse=VERSION), 404)


def test_a_bucket_that_is_away_stops_transfers_alone(lfs: LFS, bucket: Bucket, pat: type_of_pat, settings: Settings) -> None:
    settings.LFS_S3 = type(bucket.options())("bucket", "http://127.0.0.1:9", "x", "key", "secret", path_style=True)
    refused(lfs.authorize(pat("ann")), 503)
    assert entries(lfs.batch("upload", pat("ann")))[0]["actions"]
    assert lfs.client.get("/readyz").status_code == 200


def test_a_batch_of_a_thousand_asks_the_bucket_nothing(
    linked: LFS, bucket: Bucket, pat: type_of_pat, monkeypatch: pytest.MonkeyPatch
) -> None:
    """URLs are signed here; whether the bytes are there is for the download to say."""
    storage: Any = lfs_storage()
    monkeypatch.setattr(type(storage.client), "call", lambda self: pytest.fail("The bucket was asked."))
    asked = [(OID, SIZE), *((f"{number:064x}", 1) for number in range(999))]
    found = entries(linked.batch("download", pat("rex"), *asked))
    assert [next(iter(set(entry) - {"oid", "size"})) for entry in found[:2]] == ["actions", "error"]


@pytest.mark.django_db
def test_the_doctor_tries_the_bucket_out(bucket: Bucket, settings: Settings) -> None:
    def told() -> Any:
        (found,) = [finding for finding in examine(Consultation()) if finding.name == "LFS storage"]
        return found

    assert (told().level, told().text) == (Level.WELL, f"The bucket {bucket.name} can be written to, the latest objects are there")
    assert bucket.keys() == []
    settings.LFS_S3 = type(bucket.options())("bucket", "http://127.0.0.1:9", "x", "key", "secret", path_style=True)
    found = told()
    assert (found.level, "the bucket of LFS objects cannot be used" in found.text) == (Level.PROBLEM, True)
    assert "LFS_S3_ENDPOINT" in found.advice
