"""File locks over HTTP and as GitLab Shell asks about them (contract: git-http 5, 6, 8.8, 8.9)."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from repositories.lfs.locks import create_lock
from repositories.models import LFSLock, Project
from repositories.services.access import grant_deploy_key
from tests.factories import DeployKeyFactory, SSHKeyFactory
from tests.git_http.conftest import refused as refused_in_text
from tests.git_http.lfs_api.conftest import LFS, refused
from tests.git_http.lfs_api.test_batch import FORBIDDEN, lfs_token

LOCKS = "info/lfs/locks"
type_of_pat = Callable[..., str]


def paths(locks: list[dict[str, Any]]) -> list[str]:
    return [lock["path"] for lock in locks]


@pytest.fixture
def three(lfs: LFS, people: dict[str, User]) -> list[LFSLock]:
    """Locks of ann's on a and c, of max's on b."""
    return [create_lock(7, path, people[name].pk) for path, name in (("a", "ann"), ("b", "max"), ("c", "ann"))]


def test_lock_is_made(lfs: LFS, pat: type_of_pat) -> None:
    answer = lfs.post(LOCKS, {"path": "a.bin", "ref": {"name": "refs/heads/main"}}, pat("ann"))
    assert answer.status_code == 201
    assert answer["Content-Type"] == "application/vnd.git-lfs+json"
    lock = answer.json()["lock"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", lock["locked_at"])
    assert lock == {"id": str(LFSLock.objects.get().pk), "path": "a.bin", "locked_at": lock["locked_at"], "owner": {"name": "ann"}}


def test_locked_path_is_a_conflict(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 172."""
    lock = lfs.post(LOCKS, {"path": "a.bin"}, pat("max")).json()["lock"]
    for name in ("ann", "max"):
        answer = lfs.post(LOCKS, {"path": "a.bin"}, pat(name))
        refused(answer, 409, "already locked")
        assert set(answer.json()) == {"lock", "message", "documentation_url"}
        assert answer.json()["lock"] == lock


def test_locking_needs_a_developer(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 173."""
    refused(lfs.post(LOCKS, {"path": "a"}, pat("rex")), 403, FORBIDDEN)
    refused(lfs.post(LOCKS, {"path": "a"}, pat("gus")), 404, "Not found.")
    refused_in_text([lfs.at("pub/lic").post(LOCKS, {"path": "a"})], 401)
    assert not LFSLock.objects.exists()


@pytest.mark.parametrize("body", [{"path": ""}, {"path": " "}, {"path": "x" * 512}, {"path": 7}, {"path": None}, {}, None])
def test_path_that_cannot_be_locked_is_told(lfs: LFS, pat: type_of_pat, body: Any) -> None:
    """Contract: git-http LD16."""
    refused(lfs.post(LOCKS, body, pat("ann")), 422)


@pytest.mark.parametrize("body", [b"nope", b"[]", b"\xff", b'{"path":"a\\u0000"}', b'{"path":"a","path":"b"}'])
def test_body_that_cannot_be_read_is_told(lfs: LFS, pat: type_of_pat, body: bytes) -> None:
    for rest in (LOCKS, f"{LOCKS}/verify", f"{LOCKS}/1/unlock"):
        refused(lfs.post(rest, body, pat("ann")), 400)


@pytest.mark.usefixtures("three")
def test_list_is_filtered(lfs: LFS, pat: type_of_pat, three: list[LFSLock]) -> None:
    """Contract: git-http 175."""

    def listed(**query: Any) -> Any:
        answer = lfs.get(LOCKS, pat("rex"), query)
        assert answer.status_code == 200
        return answer.json()

    assert paths(listed(path="a")["locks"]) == ["a"]
    assert paths(listed(id=three[1].pk)["locks"]) == ["b"]
    assert paths(listed(refspec="refs/heads/main")["locks"]) == ["a", "b", "c"]
    for query in ({"path": "none"}, {"id": "x"}, {"id": 2**63}, {"id": 0}, {"path": "a", "id": three[1].pk}):
        assert listed(**query) == {"locks": []}


@pytest.mark.usefixtures("three")
def test_list_comes_in_pages(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 176."""
    first = lfs.get(LOCKS, pat("rex"), {"limit": 2}).json()
    assert paths(first["locks"]) == ["a", "b"]
    second = lfs.get(LOCKS, pat("rex"), {"limit": 2, "cursor": first["next_cursor"]}).json()
    assert (paths(second["locks"]), "next_cursor" in second) == (["c"], False)
    for limit in (0, 1, 101, 10**9):
        assert len(lfs.get(LOCKS, pat("rex"), {"limit": limit}).json()["locks"]) == min(max(limit, 1), 3)


@pytest.mark.parametrize("query", [{"limit": "x"}, {"limit": "-1"}, {"cursor": "x"}, {"path": ["a", "b"]}])
def test_query_that_cannot_be_read_is_told(lfs: LFS, pat: type_of_pat, query: dict[str, Any]) -> None:
    refused(lfs.get(LOCKS, pat("rex"), query), 400)


def test_anonymous_visitors_list_the_locks_of_a_public_project(lfs: LFS, people: dict[str, User]) -> None:
    create_lock(8, "a", people["ann"].pk)
    assert paths(lfs.at("pub/lic").get(LOCKS).json()["locks"]) == ["a"]
    refused_in_text([lfs.get(LOCKS)], 401)


def test_verifying_is_for_those_who_push(lfs: LFS, pat: type_of_pat, three: list[LFSLock]) -> None:
    """Contract: git-http 178."""
    refused(lfs.post(f"{LOCKS}/verify", {}, pat("rex")), 403, FORBIDDEN)
    for body in ({}, None, {"ref": {"name": "refs/heads/main"}}):
        found = lfs.post(f"{LOCKS}/verify", body, pat("ann")).json()
        assert (paths(found["ours"]), paths(found["theirs"]), set(found)) == (["a", "c"], ["b"], {"ours", "theirs"})


def test_own_lock_is_removed_once(lfs: LFS, pat: type_of_pat, three: list[LFSLock]) -> None:
    """Contract: git-http 179."""
    url = f"{LOCKS}/{three[0].pk}/unlock"
    answer = lfs.post(url, {"force": False, "ref": {}}, pat("ann"))
    assert (answer.status_code, answer.json()["lock"]["id"], answer.json()["lock"]["path"]) == (200, str(three[0].pk), "a")
    refused(lfs.post(url, None, pat("ann")), 404, "Lock not found")


def test_lock_of_another_is_removed_by_force_and_a_maintainer_only(lfs: LFS, pat: type_of_pat, three: list[LFSLock]) -> None:
    """Contract: git-http 181."""
    of_ann, of_max = (f"{LOCKS}/{lock.pk}/unlock" for lock in three[:2])
    refused(lfs.post(of_max, {}, pat("ann")), 403, "'b' is locked by @max")
    refused(lfs.post(of_max, {"force": True}, pat("ann")), 403, "You must have maintainer access to force delete a lock")
    for force in ("true", 1, None):
        refused(lfs.post(of_ann, {"force": force}, pat("max")), 403, "'a' is locked by @ann")
    assert lfs.post(of_ann, {"force": True}, pat("max")).status_code == 200


def test_administrator_removes_a_lock_by_force(lfs: LFS, pat: type_of_pat, three: list[LFSLock]) -> None:
    User.objects.filter(username="out").update(admin=True)
    assert lfs.post(f"{LOCKS}/{three[0].pk}/unlock", {"force": True}, pat("out")).status_code == 200


def test_lock_of_another_project_is_not_found(lfs: LFS, pat: type_of_pat, people: dict[str, User]) -> None:
    """Contract: git-http 182."""
    lock = create_lock(8, "a", people["ann"].pk)
    for lock_id in (lock.pk, "x", 0, 2**64, "-1"):
        refused(lfs.post(f"{LOCKS}/{lock_id}/unlock", {"force": True}, pat("max")), 404, "Lock not found")
    assert LFSLock.objects.exists()


def test_read_only_token_lists_and_locks_nothing(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 184."""
    header = pat("ann", "read_repository")
    refused(lfs.post(LOCKS, {"path": "a"}, header), 403)
    assert lfs.get(LOCKS, header).status_code == 200


def test_deploy_key_owns_no_lock(lfs: LFS, shell: Client, project8: Project, people: dict[str, User]) -> None:
    """Contract: git-http 185."""
    lock = create_lock(8, "a", people["ann"].pk)
    key = DeployKeyFactory.create()
    grant_deploy_key(project8, key, can_push=True)
    header, public = lfs_token(shell, key_id=key.pk, project="pub/lic"), lfs.at("pub/lic")
    refused(public.post(LOCKS, {"path": "b"}, header), 403, "You have no permissions")
    refused(public.post(f"{LOCKS}/{lock.pk}/unlock", {}, header), 403, "You have no permissions")
    found = public.post(f"{LOCKS}/verify", {}, header).json()
    assert (found["ours"], paths(found["theirs"])) == ([], ["a"])


def test_wiki_and_project_share_their_locks(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 187."""
    assert lfs.at("gnuwget/wget2.wiki").post(LOCKS, {"path": "a"}, pat("ann")).status_code == 201
    assert paths(lfs.get(LOCKS, pat("ann")).json()["locks"]) == ["a"]


def test_git_lfs_transfer_looks_a_path_up(lfs: LFS, pat: type_of_pat, three: list[LFSLock]) -> None:
    """Contract: git-http 190."""
    found = lfs.post(f"{LOCKS}/verify?path=a", {"limit": 1, "ref": {}}, pat("ann")).json()
    assert paths([*found["ours"], *found["theirs"]]) == ["a"]
    found = lfs.post(f"{LOCKS}/verify?id={three[1].pk}", {"limit": 20, "ref": {}}, pat("ann")).json()
    assert paths([*found["ours"], *found["theirs"]]) == ["b"]


def test_git_lfs_transfer_lists_in_pages(lfs: LFS, pat: type_of_pat, three: list[LFSLock]) -> None:
    """Contract: git-http 191."""
    first = lfs.post(f"{LOCKS}/verify", {"limit": 2, "ref": {}}, pat("ann")).json()
    assert len([*first["ours"], *first["theirs"]]) == 2
    second = lfs.post(f"{LOCKS}/verify", {"limit": 2, "cursor": first["next_cursor"], "ref": {}}, pat("ann")).json()
    assert (paths(second["ours"]), second["theirs"], "next_cursor" in second) == (["c"], [], False)


def test_reporter_gets_no_lists_from_git_lfs_transfer(lfs: LFS, shell: Client, people: dict[str, User], three: list[LFSLock]) -> None:
    """Contract: git-http 193."""
    key = SSHKeyFactory.create(user=people["rex"])
    answer = lfs.post(f"{LOCKS}/verify", {}, lfs_token(shell, key_id=key.pk, project="gnuwget/wget2"))
    refused(answer, 403, FORBIDDEN)
    assert not {"ours", "theirs"} & set(answer.json())
