"""The two PUTs of an upload through Workhorse, and uploads without it (contract: git-http 4, 8.7, 10.1)."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jwt
import pytest
from pytest_django.fixtures import Settings

from git_http.lfs_api import transfers
from git_http.lfs_api.transfers import Transfers
from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.selectors import linked_sizes
from repositories.models import LFSObject, LFSObjectLink, Project
from tests.conftest import workhorse_headers
from tests.git_http.conftest import WORKHORSE_JSON
from tests.git_http.conftest import refused as refused_in_text
from tests.git_http.lfs_api.conftest import CONTENT, LFS, LFS_JSON, OID, OTHER, SIZE, in_chunks, refused, sign
from tests.git_http.lfs_api.test_batch import LIMIT, MIB, limit
from tests.repositories.lfs.conftest import oid_of

FORBIDDEN = "Access forbidden. Check your access level."
type_of_pat = Callable[..., str]
type_of_receive = Callable[..., dict[str, str]]


def nothing_is_stored(storage: LocalStorage) -> None:
    assert not LFSObject.objects.exists()
    assert not LFSObjectLink.objects.exists()
    assert not storage.path(OID).exists()


def stored(answer: Any) -> None:
    assert answer.status_code == 200, answer.content
    assert (answer.content, answer["Content-Type"]) == (b"", LFS_JSON)


def test_workhorse_is_told_where_uploads_go(lfs: LFS, pat: type_of_pat, storage: LocalStorage) -> None:
    answer = lfs.authorize(pat("ann"))
    assert answer["Content-Type"] == WORKHORSE_JSON
    assert answer.json() == {
        "TempPath": str(storage.uploads),
        "LfsOid": OID,
        "LfsSize": SIZE,
        "MaximumSize": SIZE,
        "UploadHashFunctions": ["sha256"],
    }
    assert storage.uploads.stat().st_dev == storage.root.stat().st_dev
    assert lfs.authorize(pat("ann"), OTHER, 0).json()["MaximumSize"] == 1


def test_uploads_need_a_developer(lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive) -> None:
    """Contract: git-http 142."""
    for ask in (lfs.authorize, lambda authorization=None: lfs.finalize(authorization, told=receive())):
        refused_in_text([ask()], 401)
        refused(ask(pat("rex")), 403, FORBIDDEN)
        refused(ask(pat("out")), 404, "Not found.")
    nothing_is_stored(storage)


def test_uploads_need_workhorse(lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive) -> None:
    """Contract: git-http 143."""
    answers = [lfs.authorize(pat("ann"), signed=False), lfs.finalize(pat("ann"), told=receive(), signed=False)]
    refused_in_text(answers, 403, "Nil JSON web token")
    forged = {**workhorse_headers(), "gitlab-workhorse-api-request": sign({}, b"x" * 32)}
    refused_in_text([lfs.finalize(pat("ann"), told=receive(), signed=False, headers=forged)], 403)
    nothing_is_stored(storage)


@pytest.mark.parametrize("chunked", [False, True])
def test_received_file_is_stored_and_linked(
    lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive, chunked: bool
) -> None:
    """Contract: git-http 145, 146."""
    told = receive()
    stored(lfs.finalize(pat("ann"), told=told, chunked=chunked))
    assert storage.path(OID) == storage.root / OID[:2] / OID[2:4] / OID[4:]
    assert storage.path(OID).read_bytes() == CONTENT
    assert linked_sizes(7, [OID]) == {OID: SIZE}
    Path(told["path"]).unlink()  # Workhorse removes its name
    assert storage.path(OID).read_bytes() == CONTENT
    stored(lfs.finalize(pat("ann"), told=receive()))  # again


def test_wiki_gets_a_link_of_its_own(lfs: LFS, pat: type_of_pat, receive: type_of_receive) -> None:
    stored(lfs.at("gnuwget/wget2.wiki").finalize(pat("ann"), told=receive()))
    assert LFSObjectLink.objects.get().repository_type == "wiki"


def test_plain_fields_are_not_believed(lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive) -> None:
    """Contract: git-http 148."""
    other = receive(b"something else!")
    assert len(b"something else!") == SIZE
    told = {**receive(b"something else!")}
    for plain in ({"sha256": OID}, {"sha256": OID, "size": str(SIZE), "path": receive()["path"], "name": "x", "remote_id": "x"}):
        refused(lfs.finalize(pat("ann"), told=told, plain=plain), 400, "SHA256 or size mismatch")
    refused(lfs.finalize(pat("ann"), plain={**other, "sha256": OID}), 400)
    nothing_is_stored(storage)


def test_form_without_a_signed_file_has_no_file(lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive) -> None:
    """Contract: git-http 149, 10 C1: never 422, which git-lfs takes for success."""
    refused(lfs.finalize(pat("ann"), told=receive(), fields={}), 400)
    refused(lfs.finalize(pat("ann"), told=receive(), fields={"other": "x"}), 400)
    refused(lfs.finalize(pat("ann")), 400)
    refused(lfs.finalize(pat("ann"), told={"name": "upload"}), 400)
    nothing_is_stored(storage)


def test_signatures_of_somebody_else_are_refused(lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive) -> None:
    told = receive()
    forged_header = sign({"rewritten_fields": {"file": told["path"]}}, b"x" * 32)
    of_another = jwt.encode({"rewritten_fields": {"file": told["path"]}, "iss": "gitlab-shell"}, b"x" * 32, algorithm="HS256")
    for header in (forged_header, of_another, "x"):
        answer = lfs.finalize(pat("ann"), told=told, fields={}, headers={"gitlab-workhorse-multipart-fields": header})
        refused_in_text([answer], 403)
    forged_field = {"gitlab-workhorse-upload": sign({"upload": told}, b"x" * 32)}
    refused_in_text([lfs.finalize(pat("ann"), plain=forged_field, fields={"file": told["path"]})], 403)
    nothing_is_stored(storage)


def test_form_about_another_file_is_refused(lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive) -> None:
    refused(lfs.finalize(pat("ann"), told=receive(), fields={"file": receive()["path"]}), 400)
    nothing_is_stored(storage)


def test_insecure_paths_are_refused(lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive) -> None:
    """Contract: git-http 151."""
    outside = storage.root.parent / f"outside-{storage.root.name}"
    outside.parent.mkdir(parents=True, exist_ok=True)
    outside.write_bytes(CONTENT)
    told = receive()
    link = storage.uploads / "link"
    link.symlink_to(outside)
    for path in ("/etc/passwd", str(storage.uploads / ".." / "bar"), str(link), f"{storage.uploads}/../../../{outside.name}", "\0"):
        answer = lfs.finalize(pat("ann"), told={**told, "path": path})
        refused(answer, 400)
        assert answer.json()["message"].startswith("insecure path used")
    assert outside.read_bytes() == CONTENT
    nothing_is_stored(storage)


def test_uploads_that_began_together_do_not_share_the_same_room(
    lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive, project7: Project
) -> None:
    """Contract: git-http LD11: each was told at its beginning that there is room; the limit is held when they end too."""
    header, contents = pat("ann"), [bytes([number]) * MIB for number in range(3)]
    limit(project7, 9 * MIB)
    for one in contents:
        assert lfs.authorize(header, oid_of(one), MIB).status_code == 200
    stored(lfs.finalize(header, oid_of(contents[0]), MIB, told=receive(contents[0])))
    for one in contents[1:]:
        refused(lfs.finalize(header, oid_of(one), MIB, told=receive(one)), 406, LIMIT)
        assert not storage.path(oid_of(one)).exists()
    stored(lfs.finalize(header, oid_of(contents[0]), MIB, told=receive(contents[0])))  # it belongs to the project already
    assert LFSObjectLink.objects.count() == 1


def test_path_with_half_of_a_surrogate_pair_is_no_file(lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive) -> None:
    """JSON can hold it, and UTF-8 cannot."""
    path = f"{storage.uploads}/\ud800"
    upload = sign({"upload": {**receive(), "path": path}})
    header = sign({"rewritten_fields": {"file": path}})
    answer = lfs.finalize(
        pat("ann"), plain={"gitlab-workhorse-upload": upload}, fields={}, headers={"gitlab-workhorse-multipart-fields": header}
    )
    refused(answer, 400)
    nothing_is_stored(storage)


def test_object_of_one_project_is_linked_to_another_by_its_upload(
    lfs: LFS, pat: type_of_pat, receive: type_of_receive, link: Callable[..., None], project7: Project
) -> None:
    """Contract: git-http 152."""
    link(project7)
    stored(lfs.at("pub/lic").finalize(pat("max"), told=receive()))
    assert LFSObject.objects.count() == 1
    assert LFSObjectLink.objects.count() == 2


def test_object_whose_file_is_gone_is_stored_again(
    lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive, link: Callable[..., None], project7: Project
) -> None:
    """Contract: git-http 154."""
    link(project7)
    storage.path(OID).unlink()
    stored(lfs.finalize(pat("ann"), told=receive()))
    assert storage.path(OID).read_bytes() == CONTENT


def test_known_object_of_another_size_is_refused(lfs: LFS, pat: type_of_pat, receive: type_of_receive) -> None:
    """Contract: git-http 155."""
    LFSObject.objects.create(oid=OID, size=SIZE + 1)
    refused(lfs.finalize(pat("ann"), told=receive()), 403, FORBIDDEN)
    assert not LFSObjectLink.objects.exists()


@pytest.mark.parametrize(
    ("oid", "size"), [(OID.upper(), "15"), (OID[1:], "15"), (OID, "x"), (OID, "-1"), (OID, str(2**63)), (OID, "9" * 40)]
)
def test_path_that_names_no_object_is_not_found(lfs: LFS, pat: type_of_pat, oid: str, size: Any, receive: type_of_receive) -> None:
    refused(lfs.authorize(pat("ann"), oid, size), 404, "Not found.")
    refused(lfs.finalize(pat("ann"), oid, size, told=receive()), 404, "Not found.")


def test_large_form_is_refused(lfs: LFS, pat: type_of_pat, receive: type_of_receive) -> None:
    """Decisions 4: 64 KiB."""
    refused(lfs.finalize(pat("ann"), told=receive(), plain={"padding": "x" * 70_000}), 413)


# --- without Workhorse ----------------------------------------------------------------------------------------------


@pytest.fixture
def embedded(settings: Settings) -> None:
    settings.LFS_EMBEDDED_UPLOADS = True


def put(lfs: LFS, authorization: str | None, body: bytes = CONTENT, oid: str = OID, size: int = SIZE, **extra: Any) -> Any:
    """What git-lfs sends; the bytes themselves."""
    headers = {"authorization": authorization} if authorization else {}
    url = lfs.url(f"gitlab-lfs/objects/{oid}/{size}")
    return lfs.client.put(url, body, content_type="application/octet-stream", headers=headers, **extra)


@pytest.mark.usefixtures("embedded")
@pytest.mark.parametrize("chunked", [False, True])
def test_service_takes_the_bytes_itself(lfs: LFS, pat: type_of_pat, storage: LocalStorage, chunked: bool) -> None:
    large = os.urandom(300_000)
    stored(put(lfs, pat("ann"), large, oid_of(large), len(large), **(in_chunks(large) if chunked else {})))
    assert storage.path(oid_of(large)).read_bytes() == large
    assert linked_sizes(7, [oid_of(large)]) == {oid_of(large): len(large)}
    assert list(storage.uploads.iterdir()) == []
    empty = oid_of(b"")
    stored(put(lfs, pat("ann"), b"", empty, 0, **(in_chunks(b"") if chunked else {})))


@pytest.mark.usefixtures("embedded")
def test_bytes_that_are_not_the_object_are_refused_and_leave_nothing(lfs: LFS, pat: type_of_pat, storage: LocalStorage) -> None:
    refused(put(lfs, pat("ann"), b"something else!"), 400, "SHA256 or size mismatch")
    refused(put(lfs, pat("ann"), CONTENT[1:]), 400, "SHA256 or size mismatch")
    for extra in ({}, in_chunks(CONTENT * 2)):
        refused(put(lfs, pat("ann"), CONTENT * 2, **extra), 413)
    refused(put(lfs, pat("ann"), CONTENT, CONTENT_LENGTH=str(SIZE + 5), size=SIZE + 5), 400)
    refused_in_text([put(lfs, None)], 401)
    refused(put(lfs, pat("rex")), 403, FORBIDDEN)
    refused(put(lfs, pat("out")), 404)
    assert [path for path in (storage.uploads.iterdir() if storage.uploads.is_dir() else ()) if path.name.startswith("upload-")] == []
    nothing_is_stored(storage)


@pytest.mark.usefixtures("embedded")
def test_form_of_workhorse_is_still_read_and_its_token_checked(
    lfs: LFS, pat: type_of_pat, storage: LocalStorage, receive: type_of_receive
) -> None:
    stored(lfs.finalize(pat("ann"), told=receive()))
    forged = {**workhorse_headers(), "gitlab-workhorse-api-request": sign({}, b"x" * 32)}
    refused_in_text([lfs.finalize(pat("ann"), told=receive(), signed=False, headers=forged)], 403)
    refused_in_text([lfs.authorize(pat("ann"), signed=False)], 403, "Nil JSON web token")


@pytest.mark.usefixtures("embedded")
def test_upload_that_finds_no_place_is_told_to_come_again(
    lfs: LFS, pat: type_of_pat, storage: LocalStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = Transfers(1)
    monkeypatch.setattr(transfers, "PATIENCE", 0.01)
    monkeypatch.setattr("git_http.lfs_api.embedded.transfers", lambda: places)
    with places.place():
        answer = put(lfs, pat("ann"))
        refused(answer, 503)
        assert answer["Retry-After"] == "3"
    stored(put(lfs, pat("ann")))


@pytest.mark.usefixtures("embedded")
def test_storage_limit_holds_for_the_bytes_too(lfs: LFS, pat: type_of_pat, storage: LocalStorage, project7: Project) -> None:
    namespace = project7.namespace
    namespace.storage_limit = SIZE - 1
    namespace.save()
    refused(put(lfs, pat("ann")), 406)
    nothing_is_stored(storage)
