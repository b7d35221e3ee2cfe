"""The answer and what it leaves behind; what is not Git's (contract: git-http 2.1, 2.7, 2.8, 8.4, 8.5)."""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import PersonalAccessToken, User
from internal_api.models import AuditEvent, InstanceSettings
from repositories.models import Storage
from tests.conftest import workhorse_headers
from tests.git_http.conftest import PULL, PUSH, Git, allowed, refused

AUDIT = "/api/v4/internal/shellhorse/git_audit_event"
KEYS = {
    "GL_ID",
    "GL_USERNAME",
    "GL_REPOSITORY",
    "ShowAllRefs",
    "NeedAudit",
    "Repository",
    "GitConfigOptions",
    "GitalyServer",
    "ProjectID",
    "RootNamespaceID",
}


def change_instance(**fields: Any) -> None:
    row = InstanceSettings.stored()
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()


def test_the_whole_answer(git: Git, pat: Callable[..., str], people: dict[str, User]) -> None:
    """contract: git-http 91."""
    ann = people["ann"]
    for body in allowed(git.both("gnuwget/wget2", PULL, pat("ann"))):
        assert set(body) == KEYS
        assert body["GL_ID"] == f"user-{ann.pk}"
        assert (body["ShowAllRefs"], body["NeedAudit"], body["GitConfigOptions"]) == (False, False, [])
        assert body["ProjectID"] == 7
        repository = body["Repository"]
        assert set(repository) == {
            "storage_name",
            "relative_path",
            "git_object_directory",
            "git_alternate_object_directories",
            "gl_repository",
            "gl_project_path",
        }
        assert repository["gl_repository"] == "project-7"
        assert (repository["git_object_directory"], repository["git_alternate_object_directories"]) == ("", [])
        assert body["GitalyServer"]["address"] == "unix:/run/gitaly/gitaly.socket"


def test_the_largest_push(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 92."""
    change_instance(receive_max_input_size=1)
    for body in allowed(git.both("gnuwget/wget2", PUSH, pat("ann"))):
        assert body["GitConfigOptions"] == ["receive.maxInputSize=1048576"]


def test_call_metadata(git: Git, pat: Callable[..., str], people: dict[str, User]) -> None:
    """contract: git-http 94, C15."""
    change_instance(feature_flags={"gitaly_some_feature": True, "kas_other": True})
    user = f"user-{people['ann'].pk}"
    for body in allowed(git.both("gnuwget/wget2", PULL, pat("ann"), x_forwarded_for="203.0.113.5")):
        told = body["GitalyServer"]["call_metadata"]
        expected = {"user_id": user, "username": "ann", "remote_ip": "203.0.113.5", "gitaly-feature-some-feature": "true"}
        assert told == expected
    for body in allowed(git.both("pub/lic", PULL, x_forwarded_for="203.0.113.5")):
        assert body["GitalyServer"]["call_metadata"] == {"remote_ip": "203.0.113.5", "gitaly-feature-some-feature": "true"}


def test_gitalys_token(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 95."""
    [body] = allowed([git.info_refs("gnuwget/wget2", PULL, pat("ann"))])
    assert body["GitalyServer"]["token"] == ""
    storage = Storage.objects.get()
    storage.gitaly_token = "gitaly's token"
    storage.save()
    [body] = allowed([git.info_refs("gnuwget/wget2", PULL, pat("ann"))])
    assert body["GitalyServer"]["token"] == "gitaly's token"


def test_activity(git: Git, pat: Callable[..., str], people: dict[str, User]) -> None:
    """contract: git-http 97."""
    ann = people["ann"]
    git.info_refs("gnuwget/wget2", PULL, pat("ann"))
    ann.refresh_from_db()
    assert ann.last_activity_on == timezone.now().date()
    yesterday = timezone.now().date() - timedelta(days=1)
    User.objects.filter(pk=ann.pk).update(last_activity_on=yesterday)
    git.both("gnuwget/wget2", PUSH, pat("ann"))
    ann.refresh_from_db()
    assert ann.last_activity_on == yesterday


def test_the_use_of_a_token_is_noted_once(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 98."""
    token = pat("ann")
    git.both("gnuwget/wget2", PULL, token)
    first = PersonalAccessToken.objects.get().last_used_at
    assert first is not None
    git.both("gnuwget/wget2", PULL, token)
    assert PersonalAccessToken.objects.get().last_used_at == first


def test_an_anonymous_pull_writes_nothing(git: Git, django_assert_num_queries: Any) -> None:
    """contract: git-http 2.8."""
    git.both("pub/lic", PULL)
    with django_assert_num_queries(1):
        git.info_refs("pub/lic", PULL)
    assert not User.objects.exclude(last_activity_on=None).exists()


def test_packs_over_ssh_are_geos(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 100."""
    for command in ("ssh-upload-pack", "ssh-receive-pack"):
        refused([git.post("gnuwget/wget2", command, pat("ann"))], 404, "Not found")
        refused([git.post("gnuwget/wget2", command)], 401)
    refused([git.post("gnuwget/wget2", "ssh-receive-pack", pat("rex"))], 403)


def test_the_hook_of_a_push_over_http(git: Git, shell: Client, people: dict[str, User]) -> None:
    """contract: git-http 101, C15: blank values of Gitaly's context mean nothing."""
    context = base64.b64encode(json.dumps({"glBuildId": "", "scoped-user-id": ""}).encode()).decode()
    hook = {
        "action": PUSH,
        "gl_repository": "project-7",
        "protocol": "http",
        "user_id": str(people["ann"].pk),
        "changes": f"{'0' * 40} {'a' * 40} refs/heads/topic",
    }
    for extra in ({}, {"gitaly_client_context_bin": context}):
        assert shell.post("/api/v4/internal/allowed", {**hook, **extra}, content_type="application/json").status_code == 200


def test_head_of_info_refs(git: Git) -> None:
    """contract: git-http 2.1: before anything else."""
    for client in (git.client, Client()):
        answer = client.head(f"/pub/lic.git/info/refs?service={PULL}")
        assert (answer.status_code, answer.content) == (403, b"")


def test_the_dumb_protocol(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 2.1."""
    for path in ("HEAD", "objects/info/packs", "objects/00/11", "config", "git-upload-archive"):
        refused([git.client.get(f"/pub/lic.git/{path}"), git.client.post(f"/pub/lic.git/{path}")], 404)


def test_another_method(git: Git) -> None:
    for answer in (git.client.get(f"/pub/lic.git/{PULL}"), git.client.put("/pub/lic.git/info/refs")):
        refused([answer], 405)


def test_a_redirect_without_git(git: Git, stranger: Client) -> None:
    """contract: git-http 103; nothing is looked up, so a missing project redirects too."""
    for path in ("pub/lic", "pub/lic.wiki", "no/such/project", "gnuwget/wget2"):
        for query in ("", f"service={PULL}", f"service={PUSH}"):
            answer = stranger.get(f"/{path}/info/refs" + (f"?{query}" if query else ""))
            assert answer.status_code == 301
            assert answer["Location"] == f"/{path}.git/info/refs" + (f"?{query}" if query else "")


@pytest.mark.parametrize(
    "address",
    [
        "/pub/lic/info/refs?service=git-implode-pack",
        "/pub/lic/info/refs?service=git-upload-pack&x=1",
        "/pub/info/refs",
        "/api/v4/info/refs",
        "/-/lic/info/refs",
        "/pub/%0d%0aLocation:x/info/refs",
        "/pub/lic/git-upload-pack",
        "/\\evil.example/x/info/refs",
    ],
)
def test_no_redirect(git: Git, stranger: Client, address: str) -> None:
    """contract: git-http 104, 2.10."""
    answer = stranger.get(address)
    assert answer.status_code == 404
    assert "Location" not in answer


def test_a_redirect_stays_here(git: Git, stranger: Client) -> None:
    for path in ("//evil.example/x", "///evil.example/x"):
        answer = stranger.get("/", PATH_INFO=f"{path}/info/refs")
        assert answer.get("Location", "/x").startswith("/")
        assert not answer.get("Location", "/x").startswith("//")


# --- Workhorse's own calls ---------------------------------------------------------------------------------------------


def report(client: Client, **fields: Any) -> Any:
    body = {
        "action": PULL,
        "protocol": "http",
        "gl_repository": "project-7",
        "username": "ann",
        "packfile_stats": {"payload_size": 350, "packets": 13, "wants": 2, "deepen": "deepen 1", "filter": "blob:none"},
        "changes": "_any",
    }
    given = {name: value for name, value in {**body, **fields}.items() if value is not None}
    return client.post(AUDIT, given, content_type="application/json", headers={"user-agent": "GitLab-Workhorse"})


def test_an_audit_event(git: Git, workhorse: Client) -> None:
    """contract: git-http 17."""
    change_instance(log_git_audit_events=True)
    answer = report(workhorse)
    assert answer.status_code == 200
    event = AuditEvent.objects.get(action="repository_git_operation")
    assert (event.details["protocol"], event.details["verb"], event.author_name) == ("http", "clone", "ann")


def test_a_request_that_asks_for_no_object_is_no_pull(git: Git, workhorse: Client) -> None:
    """contract: git-http C13: `ls-refs` of a clone, `ls-remote`, a pull that broke."""
    change_instance(log_git_audit_events=True)
    for stats in (None, {}, {"payload_size": 350}):
        answer = report(workhorse, packfile_stats=stats)
        assert (answer.status_code, answer.json()["status"]) == (200, False)
    assert not AuditEvent.objects.filter(action="repository_git_operation").exists()


def test_a_push_is_audited_without_numbers(git: Git, workhorse: Client) -> None:
    """contract: git-http C13."""
    change_instance(log_git_audit_events=True)
    assert report(workhorse, action=PUSH, packfile_stats=None).json()["status"] is True
    assert AuditEvent.objects.get(action="repository_git_operation").details["verb"] == "push"


def test_an_anonymous_pull_is_not_audited(git: Git, workhorse: Client) -> None:
    change_instance(log_git_audit_events=True)
    assert report(workhorse, username="").json()["status"] is False


def test_only_workhorse_and_the_shell_report(git: Git, stranger: Client, shell: Client) -> None:
    """Decisions 13."""
    assert report(stranger).status_code == 401
    bad = Client(headers={"gitlab-workhorse-api-request": "x.y.z", "gitlab-workhorse": "18.9"})
    assert report(bad).status_code == 401
    assert report(shell).status_code == 200


def test_need_audit(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 2.7, decisions 14c."""
    change_instance(log_git_audit_events=True)
    assert all(body["NeedAudit"] for body in allowed(git.both("gnuwget/wget2", PULL, pat("ann"))))
    assert not any(body["NeedAudit"] for body in allowed(git.both("pub/lic", PULL)))


def test_workhorses_own_calls_are_served_under_any_host(git: Git) -> None:
    """contract: git-http 16, LD19: they name the host of `-authBackend`."""
    headers = {**workhorse_headers(), "host": "backend.internal:8080"}
    client = Client(headers=headers)
    assert client.get("/api/v4/geo/proxy").json() == {"geo_enabled": False}
    assert report(client).status_code == 200
    assert client.post("/api/v4/internal/workhorse/authorize_upload").status_code == 404
    assert client.get(f"/pub/lic.git/info/refs?service={PULL}").status_code == 400  # a client's own host, which is none of ours
    assert Client(headers={"host": "backend.internal:8080"}).get("/api/v4/geo/proxy").status_code == 400
