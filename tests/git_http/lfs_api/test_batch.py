"""POST info/lfs/objects/batch (contract: git-http 3, 8.6)."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.models import User
from internal_api.models import InstanceSettings
from repositories.lfs.selectors import linked_sizes
from repositories.models import Namespace, Project
from repositories.services.access import grant_deploy_key
from repositories.services.projects import add_redirect
from tests.factories import DeployKeyFactory, SSHKeyFactory
from tests.git_http.conftest import basic
from tests.git_http.conftest import refused as refused_in_text
from tests.git_http.lfs_api.conftest import CONTENT, LFS, OID, OTHER, SIZE, content, entries, refused
from tests.repositories.lfs.conftest import oid_of

FORBIDDEN = "Access forbidden. Check your access level."
MISSING = "Object does not exist on the server or you don't have permissions to access it"
BASE = "http://localhost:3001/gnuwget/wget2.git"
MIB = 1024**2
type_of_pat = Callable[..., str]
type_of_link = Callable[..., None]


def instance(**values: Any) -> None:
    row = InstanceSettings.stored()
    for name, value in values.items():
        setattr(row, name, value)
    row.save()


def lfs_token(shell: Client, **values: Any) -> str:
    """The header of the credentials that GitLab Shell hands out."""
    given = shell.post("/api/v4/internal/lfs_authenticate", values, content_type="application/json").json()
    return basic(given["username"], given["lfs_token"])


def token_of(header: str) -> str:
    return base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")[2]


def test_linked_object_can_be_downloaded(lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project) -> None:
    """Contract: git-http 106."""
    link(project7)
    (entry,) = entries(lfs.batch("download", pat("rex")))
    action = entry["actions"]["download"]
    assert entry == {"oid": OID, "size": SIZE, "actions": {"download": action}}
    assert action["href"] == f"{BASE}/gitlab-lfs/objects/{OID}"
    assert list(action["header"]) == ["Authorization"]
    assert action["expires_in"] == 1800


def test_object_of_another_project_only_is_missing(
    lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project, project8: Project
) -> None:
    """Contract: git-http 107: knowing an object id is not having it."""
    link(project8)
    assert entries(lfs.batch("download", pat("rex"), (OID, SIZE), (OTHER, 7))) == [
        {"oid": OID, "size": SIZE, "error": {"code": 404, "message": MISSING}},
        {"oid": OTHER, "size": 7, "error": {"code": 404, "message": MISSING}},
    ]


def test_anonymous_download_of_a_public_project(lfs: LFS, link: type_of_link, project8: Project) -> None:
    """Contract: git-http 109."""
    link(project8)
    action = {"href": f"http://localhost:3001/pub/lic.git/gitlab-lfs/objects/{OID}", "header": {}}
    expected = [{"oid": OID, "size": SIZE, "authenticated": True, "actions": {"download": action}}]
    assert entries(lfs.at("pub/lic").batch("download")) == expected


def test_download_of_a_public_project_with_a_token_says_authenticated(
    lfs: LFS, pat: type_of_pat, link: type_of_link, project8: Project
) -> None:
    link(project8)
    (entry,) = entries(lfs.at("pub/lic").batch("download", pat("rex")))
    assert entry["authenticated"] is True
    assert "Authorization" in entry["actions"]["download"]["header"]


def test_anonymous_download_of_a_private_project_is_challenged(lfs: LFS) -> None:
    """Contract: git-http 110; and of a missing one alike."""
    for path in ("gnuwget/wget2", "gnuwget/none"):
        refused_in_text([lfs.at(path).batch("download")], 401)


def test_new_object_is_uploaded(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 112, 140."""
    (entry,) = entries(lfs.at("pub/lic").batch("upload", pat("ann"), (OTHER, 157286400)))
    action = entry["actions"]["upload"]
    assert entry == {"oid": OTHER, "size": 157286400, "actions": {"upload": action}}
    assert action["href"].endswith(f"/pub/lic.git/gitlab-lfs/objects/{OTHER}/157286400")
    header = action["header"]
    assert header.pop("Authorization").startswith("Basic ")
    assert header == {"Content-Type": "application/octet-stream", "Transfer-Encoding": "chunked"}
    assert action["expires_in"] == 1800


def test_life_of_the_token_is_a_setting(lfs: LFS, pat: type_of_pat, settings: Settings) -> None:
    """Contract: git-http 140."""
    settings.LFS_TOKEN_TTL = 600
    (entry,) = entries(lfs.batch("upload", pat("ann")))
    assert entry["actions"]["upload"]["expires_in"] == 600


def test_linked_object_is_not_uploaded_again(lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project, project8: Project) -> None:
    """Contract: git-http 113; one of another project is."""
    link(project8)
    assert entries(lfs.at("pub/lic").batch("upload", pat("ann"))) == [{"oid": OID, "size": SIZE}]
    assert "upload" in entries(lfs.batch("upload", pat("ann")))[0]["actions"]


def test_upload_needs_a_developer(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 115, 116, 133."""
    public = lfs.at("pub/lic")
    for name in ("rex", "gus", "out"):
        refused(public.batch("upload", pat(name)), 403, FORBIDDEN)
    refused_in_text([public.batch("upload")], 401)
    refused(lfs.batch("upload", pat("rex")), 403, FORBIDDEN)


def test_hidden_project_looks_like_a_missing_one(lfs: LFS, pat: type_of_pat) -> None:
    for operation in ("download", "upload", "banana"):
        answers = [lfs.at(path).batch(operation, pat("out")) for path in ("gnuwget/wget2", "gnuwget/none", "gnuwget/wget2.wiki", "x/y")]
        for answer in answers:
            refused(answer, 404, "Not found.")
        assert len({answer.content for answer in answers}) == 1
    refused(lfs.batch("download", pat("gus")), 404, "Not found.")


def test_read_only_token_downloads_and_its_lfs_token_uploads_nothing(
    lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project
) -> None:
    """Contract: git-http 118."""
    link(project7)
    header = pat("ann", "read_repository")
    (entry,) = entries(lfs.batch("download", header))
    given = entry["actions"]["download"]["header"]["Authorization"]
    assert content(lfs.get(f"gitlab-lfs/objects/{OID}", given)) == CONTENT
    refused(lfs.authorize(given, OTHER, 1), 403, FORBIDDEN)
    refused(lfs.batch("upload", given, (OTHER, 1)), 403, FORBIDDEN)
    refused(lfs.batch("upload", header, (OTHER, 1)), 403, FORBIDDEN)


def test_no_objects_are_not_found(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 119."""
    for body in ({"operation": "download", "objects": []}, {"operation": "download"}):
        refused(lfs.post("info/lfs/objects/batch", body, pat("ann")), 404, "Not found.")


@pytest.mark.parametrize("status", [404, 501])
def test_lfs_can_be_off(lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project, status: int) -> None:
    """Contract: git-http 121, 122, 133: JSON with a message and a URL, as of every refusal that `refused` looks at."""
    link(project7)
    if status == 404:
        Project.objects.filter(pk=7).update(lfs_enabled=False)
    else:
        instance(lfs_enabled=False)
    message = "Not found." if status == 404 else "Git LFS is not enabled on this GitLab server, contact your admin."
    header = pat("ann")
    for answer in (
        lfs.batch("download", header),
        lfs.batch("upload", header),
        lfs.get(f"gitlab-lfs/objects/{OID}", header),
        lfs.get("info/lfs/locks", header),
        lfs.authorize(header),
    ):
        refused(answer, status, message)
    refused_in_text([lfs.batch("download")], 401)


def test_read_only_deploy_key_downloads_with_its_own_header(lfs: LFS, shell: Client, link: type_of_link, project7: Project) -> None:
    """Contract: git-http 124."""
    link(project7)
    key = DeployKeyFactory.create()
    grant_deploy_key(project7, key, can_push=False)
    header = lfs_token(shell, key_id=key.pk, project="gnuwget/wget2")
    (entry,) = entries(lfs.batch("download", header))
    assert entry["actions"]["download"] == {"href": f"{BASE}/gitlab-lfs/objects/{OID}", "header": {"Authorization": header}}
    refused(lfs.batch("upload", header), 403, FORBIDDEN)


def test_writing_deploy_key_uploads_with_its_own_header(lfs: LFS, shell: Client, project8: Project) -> None:
    """Contract: git-http 125."""
    key = DeployKeyFactory.create()
    grant_deploy_key(project8, key, can_push=True)
    header = lfs_token(shell, key_id=key.pk, project="pub/lic")
    (entry,) = entries(lfs.at("pub/lic").batch("upload", header))
    assert entry["actions"]["upload"]["header"]["Authorization"] == header


def test_read_only_instance_serves_downloads(lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project) -> None:
    """Contract: git-http 127; strangers do not learn what exists."""
    link(project7)
    instance(read_only=True)
    refused(lfs.batch("upload", pat("max")), 403, "You cannot write to this read-only GitLab instance.")
    refused(lfs.batch("upload", pat("out")), 404, "Not found.")
    assert "actions" in entries(lfs.batch("download", pat("max")))[0]


def test_archived_project_serves_downloads(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 128."""
    Project.objects.filter(pk=7).update(archived=True)
    refused(lfs.batch("upload", pat("ann")), 403, FORBIDDEN)
    assert len(entries(lfs.batch("download", pat("ann")))) == 1


LIMIT = (
    "Your push to this repository has been rejected because the namespace storage limit of 10 MiB has been reached. "
    "Reduce your namespace storage or ask an administrator for an exclusion."
)


def limit(project: Project, used: int) -> None:
    Project.objects.filter(pk=project.pk).update(storage_size=used)
    namespace = Namespace.objects.get(pk=project.namespace_id)
    namespace.storage_limit = 10 * MIB
    namespace.save()


def test_upload_beyond_the_storage_limit_is_refused(lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project) -> None:
    """Contract: git-http 130."""
    link(project7, bytes(2 * MIB))
    (linked,) = linked_sizes(7, [oid_of(bytes(2 * MIB))])
    limit(project7, 9 * MIB)
    refused(lfs.batch("upload", pat("ann"), (OTHER, 2 * MIB)), 406, LIMIT)
    assert entries(lfs.batch("upload", pat("ann"), (linked, 2 * MIB))) == [{"oid": linked, "size": 2 * MIB}]


def test_upload_up_to_the_storage_limit_is_accepted(lfs: LFS, pat: type_of_pat, project7: Project) -> None:
    limit(project7, 9 * MIB)
    assert "actions" in entries(lfs.batch("upload", pat("ann"), (OTHER, MIB)))[0]
    refused(lfs.batch("upload", pat("ann"), (OTHER, MIB), (OID, 1)), 406, LIMIT)


def test_namespace_beyond_its_limit_serves_downloads_and_locks(lfs: LFS, pat: type_of_pat, project7: Project) -> None:
    """Contract: git-http 131, LD11: a lock takes no room."""
    limit(project7, 11 * MIB)
    assert len(entries(lfs.batch("download", pat("ann")))) == 1
    refused(lfs.authorize(pat("ann")), 406, LIMIT)
    refused(lfs.batch("upload", pat("ann")), 406, LIMIT)
    for path in ("gnuwget/wget2", "gnuwget/wget2.wiki"):
        assert lfs.at(path).post("info/lfs/locks", {"path": path}, pat("ann")).status_code == 201


@pytest.mark.parametrize(
    "body", [b"nope", b"[]", b'{"operation":"upload","objects":[1]}', b'{"operation":"upload","objects":"x"}', b"\xff"]
)
def test_body_that_cannot_be_read_is_told(lfs: LFS, pat: type_of_pat, body: bytes) -> None:
    """Contract: git-http 134; nobody is told before it is known who asks."""
    refused(lfs.post("info/lfs/objects/batch", body, pat("ann")), 400)
    refused_in_text([lfs.post("info/lfs/objects/batch", body)], 401)
    refused(lfs.post("info/lfs/objects/batch", body, pat("out")), 404)


def test_hash_algorithm_is_sha256_and_unknown_keys_are_ignored(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 136."""
    refused(lfs.batch("upload", pat("ann"), hash_algo="sha512"), 409)
    for more in ({"hash_algo": "sha256"}, {"ref": {}, "transfers": ["tus", "basic"], "unknown": {"a": [1]}}):
        assert "upload" in entries(lfs.batch("upload", pat("ann"), **more))[0]["actions"]


def test_former_path_is_answered_with_the_present_one(lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project) -> None:
    """Contract: git-http 137."""
    add_redirect(project7, "old/path")
    link(project7)
    (entry,) = entries(lfs.at("old/path").batch("download", pat("rex")))
    assert entry["actions"]["download"]["href"] == f"{BASE}/gitlab-lfs/objects/{OID}"


def test_deprecated_api_is_named(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 139."""
    message = "Server supports batch API only, please update your Git LFS client to version 1.0.1 and up."
    for authorization in (pat("rex"), pat("out")):
        refused(lfs.post("info/lfs/objects", {}, authorization), 501, message)
        refused(lfs.get(f"info/lfs/objects/{OID}", authorization), 501, message)
    refused_in_text([lfs.post("info/lfs/objects", {}), lfs.at("pub/lic").get(f"info/lfs/objects/{OID}")], 401)
    User.objects.filter(username="rex").update(state="blocked")
    refused_in_text([lfs.post("info/lfs/objects", {}, pat("rex"))], 401)


@pytest.mark.parametrize(
    "entry",
    [
        {"oid": "x", "size": 1},
        {"oid": OID.upper(), "size": 1},
        {"oid": f"../{OID[3:]}", "size": 1},
        {"oid": OID, "size": -1},
        {"oid": OID, "size": 2**63},
        {"oid": OID, "size": True},
        {"oid": OID, "size": "1"},
        {"oid": OID, "size": 1.5},
        {"oid": OID},
        {"size": 1},
        {},
    ],
)
@pytest.mark.parametrize("operation", ["download", "upload"])
def test_object_that_cannot_be_is_told_and_the_others_are_served(lfs: LFS, pat: type_of_pat, entry: dict[str, Any], operation: str) -> None:
    """Contract: git-http LD17."""
    body = {"operation": operation, "objects": [{**entry, "unknown": 1}, {"oid": OTHER, "size": 1}]}
    bad, good = entries(lfs.post("info/lfs/objects/batch", body, pat("ann")))
    assert bad.pop("error")["code"] == 422
    assert bad == entry
    assert good["oid"] == OTHER
    assert good.get("error", {}).get("code") != 422


def test_thousand_objects_take_as_many_queries_as_one_and_more_are_too_many(
    lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    link(project7)
    header = pat("ann")
    asked = [(OID, SIZE), *((f"{number:064x}", number) for number in range(999))]
    lfs.batch("upload", header)  # notes the token's use
    for operation in ("download", "upload"):
        with django_assert_max_num_queries(8):
            found = entries(lfs.batch(operation, header, *asked))
        assert [(entry["oid"], entry["size"]) for entry in found] == asked
    refused(lfs.batch("upload", header, *asked, (OTHER, 1)), 413)


def test_answer_suits_git_lfs_transfer(lfs: LFS, shell: Client, link: type_of_link, project7: Project, people: dict[str, User]) -> None:
    """Contract: git-http 188."""
    link(project7)
    key = SSHKeyFactory.create(user=people["ann"])
    header = lfs_token(shell, key_id=key.pk, project="gnuwget/wget2")
    body = {"operation": "download", "objects": [{"oid": OID, "size": SIZE}], "ref": {}}
    (entry,) = entries(lfs.post("info/lfs/objects/batch", body, header, user_agent="Go-http-client/1.1"))
    action = entry["actions"]["download"]
    assert all(isinstance(value, str) for value in action["header"].values())
    assert type(action["expires_in"]) is int
    assert "expires_at" not in action
    assert content(lfs.get(f"gitlab-lfs/objects/{OID}", action["header"]["Authorization"])) == CONTENT


def test_token_of_a_batch_is_not_exchanged_for_a_later_one(lfs: LFS, pat: type_of_pat) -> None:
    """Else it would outlive the token that it was got with."""
    first = entries(lfs.batch("upload", pat("ann")))[0]["actions"]["upload"]["header"]["Authorization"]
    second = entries(lfs.batch("upload", first))[0]["actions"]["upload"]
    assert second["header"]["Authorization"] == first
    assert "expires_in" not in second


def test_token_of_one_project_opens_no_other(lfs: LFS, pat: type_of_pat, link: type_of_link, project7: Project, project8: Project) -> None:
    link(project7)
    given = entries(lfs.batch("download", pat("ann")))[0]["actions"]["download"]["header"]["Authorization"]
    refused_in_text([lfs.at("pub/lic").batch("download", given), lfs.at("pub/lic").get(f"gitlab-lfs/objects/{OID}", given)], 401)
    refused_in_text([lfs.at("gnuwget/wget2.wiki").batch("download", given)], 401)


def test_ssh_only_instance_serves_lfs_to_whoever_authenticates(lfs: LFS, pat: type_of_pat) -> None:
    """Contract: git-http 3.2: SSH remotes use it."""
    instance(enabled_git_access_protocol="ssh", http_pull=False, http_push=False)
    assert len(entries(lfs.batch("upload", pat("ann")))) == 1
    assert len(entries(lfs.batch("download", pat("ann")))) == 1
    refused_in_text([lfs.at("pub/lic").batch("download")], 401)


def test_json_of_any_media_type_is_read(lfs: LFS, pat: type_of_pat) -> None:
    body = json.dumps({"operation": "download", "objects": [{"oid": OID, "size": SIZE}]})
    for media_type in ("application/json", "application/vnd.git-lfs+json"):
        headers = {"authorization": pat("ann")}
        answer = lfs.client.post(lfs.url("info/lfs/objects/batch"), body, content_type=media_type, headers=headers)
        assert len(entries(answer)) == 1
