"""GET of an object: by Workhorse, or streamed with ranges (contract: git-http 4.5, 4.6, 8.7)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from git_http.lfs_api import transfers
from git_http.lfs_api.transfers import Transfers
from internal_api.errors import UnavailableError
from repositories.lfs.local_storage import LocalStorage
from repositories.models import Project
from tests.git_http.conftest import refused as refused_in_text
from tests.git_http.lfs_api.conftest import CONTENT, LFS, OID, OTHER, SIZE, abandon, content, refused
from tests.repositories.lfs.conftest import oid_of

URL = f"gitlab-lfs/objects/{OID}"
type_of_pat = Callable[..., str]
type_of_link = Callable[..., None]


@pytest.fixture
def linked(lfs: LFS, link: type_of_link, project7: Project) -> LFS:
    link(project7)
    return lfs


def test_workhorse_is_told_the_file(linked: LFS, pat: type_of_pat, storage: LocalStorage) -> None:
    """Contract: git-http 157."""
    sent = {"authorization": pat("rex"), "x-sendfile-type": "X-Sendfile"}
    for answer in (linked.client.get(linked.url(URL), headers=sent), linked.client.head(linked.url(URL), headers=sent)):
        assert content(answer) == b""
        assert answer["X-Sendfile"] == str(storage.path(OID))
        assert answer["Content-Length"] == "0"
        assert answer["ETag"] == f'"{OID}"'


def test_object_that_is_not_the_projects_or_gone_is_not_found(
    lfs: LFS, pat: type_of_pat, link: type_of_link, storage: LocalStorage, project8: Project
) -> None:
    """Contract: git-http 158."""
    link(project8)
    refused(lfs.get(URL, pat("rex")), 404, "Not found.")
    public = lfs.at("pub/lic")
    assert content(public.get(URL)) == CONTENT
    storage.path(OID).unlink()
    refused(public.get(URL, pat("rex")), 404, "Not found.")
    refused(public.get(URL, pat("rex"), x_sendfile_type="X-Sendfile"), 404, "Not found.")


def test_who_may_download(linked: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 160."""
    refused_in_text([linked.get(URL)], 401)
    for name in ("out", "gus"):
        refused(linked.get(URL, pat(name)), 404, "Not found.")
    assert content(linked.get(URL, pat("rex"))) == CONTENT


@pytest.mark.parametrize("oid", [OID.upper(), OID[1:], OTHER, "..", "%2e%2e%2f%2e%2e%2fetc%2fpasswd", "x" * 64, "a\u0661" * 32])
def test_path_that_names_no_object_is_not_found(linked: LFS, pat: type_of_pat, oid: str) -> None:
    """Contract: git-http 161."""
    answer = linked.get(f"gitlab-lfs/objects/{oid}", pat("rex"))
    assert answer.status_code == 404
    assert CONTENT not in answer.content


def test_nothing_is_compressed(linked: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 163."""
    answer = linked.get(URL, pat("rex"), accept_encoding="gzip")
    assert "Content-Encoding" not in answer
    assert answer["Content-Length"] == str(SIZE)
    assert content(answer) == CONTENT


def test_without_workhorse_the_content_is_streamed(linked: LFS, pat: type_of_pat) -> None:
    answer = linked.get(URL, pat("rex"))
    assert (answer["Content-Length"], answer["Accept-Ranges"], answer["ETag"]) == (str(SIZE), "bytes", f'"{OID}"')
    assert "X-Sendfile" not in answer
    assert content(answer) == CONTENT
    head = linked.client.head(linked.url(URL), headers={"authorization": pat("rex")})
    assert (head.status_code, head["Content-Length"], head.content) == (200, str(SIZE), b"")


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-", slice(0, SIZE)),
        ("bytes=2-", slice(2, SIZE)),
        ("bytes=2-3", slice(2, 4)),
        ("bytes=14-9999", slice(14, SIZE)),
        ("bytes=-4", slice(SIZE - 4, SIZE)),
        ("bytes=-9999", slice(0, SIZE)),
    ],
)
def test_range_is_served(linked: LFS, pat: type_of_pat, asked: str, part: slice) -> None:
    answer = linked.get(URL, pat("rex"), range=asked)
    assert answer["Content-Range"] == f"bytes {part.start}-{part.stop - 1}/{SIZE}"
    assert answer["Content-Length"] == str(part.stop - part.start)
    assert content(answer, 206) == CONTENT[part]


@pytest.mark.parametrize("asked", ["bytes=15-", "bytes=99-100", "bytes=-0"])
def test_range_beyond_the_end_cannot_be_satisfied(linked: LFS, pat: type_of_pat, asked: str) -> None:
    answer = linked.get(URL, pat("rex"), range=asked)
    assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{SIZE}")


@pytest.mark.parametrize("asked", ["bytes=0-1,4-5", "lines=1-2", "bytes=-", "bytes=4-2", "bytes=a-b", "bytes=" + "9" * 30 + "-"])
def test_range_that_is_not_understood_is_ignored(linked: LFS, pat: type_of_pat, asked: str) -> None:
    assert content(linked.get(URL, pat("rex"), range=asked)) == CONTENT


def test_conditions_are_held_against_the_etag(linked: LFS, pat: type_of_pat) -> None:
    header = pat("rex")
    assert linked.get(URL, header, if_none_match=f'"{OID}"').status_code == 304
    assert content(linked.get(URL, header, if_none_match='"x"')) == CONTENT
    assert content(linked.get(URL, header, range="bytes=2-3", if_range=f'"{OID}"'), 206) == CONTENT[2:4]
    assert content(linked.get(URL, header, range="bytes=2-3", if_range='"x"')) == CONTENT


def test_transfers_are_bounded_and_give_their_places_back(
    lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = bytes(range(256)) * 4096
    link(project7, large)
    url = f"gitlab-lfs/objects/{oid_of(large)}"
    places = Transfers(1)
    monkeypatch.setattr(transfers, "PATIENCE", 0.01)
    monkeypatch.setattr("git_http.lfs_api.downloads.transfers", lambda: places)
    header = pat("rex")
    first: Any = lfs.get(url, header)
    refused(lfs.get(url, header), 503)
    assert lfs.get(url, header, x_sendfile_type="X-Sendfile").status_code == 200  # moved by Workhorse
    assert content(lfs.get(url, header, range="bytes=0-9"), 206) == large[:10]  # read at once
    for _ in range(2):  # the client went away before the end
        abandon(first)
    assert content(lfs.get(url, header)) == large
    assert content(lfs.get(url, header, range="bytes=300000-"), 206) == large[300_000:]


def test_a_caller_who_does_not_take_its_content_leaves_the_last_place_to_others(
    lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = bytes(range(256)) * 4096
    link(project7, large)
    url = f"gitlab-lfs/objects/{oid_of(large)}"
    places = Transfers(3)
    monkeypatch.setattr(transfers, "PATIENCE", 0.01)
    monkeypatch.setattr("git_http.lfs_api.downloads.transfers", lambda: places)
    slow: Any = [lfs.get(url, pat("rex")) for _ in range(2)]
    refused(lfs.get(url, pat("rex")), 503)
    other: Any = lfs.get(url, pat("ann"))
    assert other.status_code == 200
    refused(lfs.get(url, pat("ann")), 503)
    abandon(slow[0])
    refused(lfs.get(url, pat("rex")), 503)  # the last place again
    abandon(slow[1])
    assert content(lfs.get(url, pat("rex"))) == large
    assert content(other) == large


@pytest.mark.parametrize("places", [1, 2, 3])
def test_who_is_alone_has_all_places_but_the_last(places: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "PATIENCE", 0.01)
    all_places = Transfers(places)
    for _ in range(max(places - 1, 1)):
        all_places.begin("user-1")
    with pytest.raises(UnavailableError):
        all_places.begin("user-1")
    if places > 1:
        all_places.begin("user-2")
    with pytest.raises(UnavailableError):
        all_places.begin("user-3")


def test_member_of_one_project_has_nothing_of_another(linked: LFS, pat: type_of_pat, project8: Project) -> None:
    """Knowing an object id is not having it."""
    refused(linked.at("pub/lic").get(URL, pat("max")), 404, "Not found.")


@pytest.mark.parametrize("way", ["query", "body"])
def test_gitaly_fetches_the_objects_of_a_project(linked: LFS, shell: Client, way: str) -> None:
    """Contract: git-http 170."""

    def fetch(**values: str) -> Any:
        asked = {"oid": OID, "gl_repository": "project-7", **values}
        if way == "query":
            return shell.get("/api/v4/internal/lfs", asked)
        return shell.generic("GET", "/api/v4/internal/lfs", json.dumps(asked), "application/json")

    assert content(fetch()) == CONTENT
    for values in ({"gl_repository": "project-8"}, {"gl_repository": "wiki-7"}, {"gl_repository": "x"}, {"oid": OTHER}, {"oid": "../x"}):
        answer = fetch(**values)
        assert (answer.status_code, answer.json()) == (404, {"message": "404 Not Found"})
    assert Client().get("/api/v4/internal/lfs", {"oid": OID, "gl_repository": "project-7"}).status_code == 401


def test_gitaly_is_told_of_a_file_that_is_gone(linked: LFS, shell: Client, storage: LocalStorage) -> None:
    storage.path(OID).unlink()
    answer = shell.get("/api/v4/internal/lfs", {"oid": OID, "gl_repository": "project-7"})
    assert (answer.status_code, answer.json()) == (404, {"message": "404 Not Found"})
