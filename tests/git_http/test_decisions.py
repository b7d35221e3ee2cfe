"""May they (contract: git-http 2.6, 8.3)."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from internal_api.models import InstanceSettings
from repositories.models import Namespace, Project, Refusal, Storage
from repositories.services.projects import add_redirect
from tests import gitaly_server
from tests.git_http.conftest import PROJECT_NOT_FOUND, PULL, PUSH, Git, allowed, refused

WIKI_NOT_FOUND = "The wiki you were looking for could not be found."


def change_instance(**fields: Any) -> None:
    row = InstanceSettings.stored()
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()


def change(row: Any, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(row, name, value)
    row.save()


@pytest.fixture
def gitaly(tmp_path: Path, git: Git) -> Any:
    """A Gitaly that creates repositories."""
    with gitaly_server.running(tmp_path) as server:
        Storage.objects.update(gitaly_address=server.address)
        yield server


def test_a_stranger_reads_that_there_is_no_project(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 58, 59, 64: hidden and missing are the same."""
    for path in ("gnuwget/wget2", "gnuwget/nothing"):
        refused(git.both(path, PULL, pat("out")) + git.both(path, PUSH, pat("out")), 404, PROJECT_NOT_FOUND)
    refused(git.both("gnuwget/nothing", PULL, pat("ann")), 404, PROJECT_NOT_FOUND)


def test_a_reporter_does_not_push(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 61."""
    text = "You are not allowed to push code to this project."
    refused(git.both("gnuwget/wget2", PUSH, pat("rex")) + git.both("pub/lic", PUSH, pat("out")), 403, text)


def test_a_reading_token_creates_nothing(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 62."""
    before = Project.objects.count()
    refused(git.both("ann/fresh", PUSH, pat("ann", "read_repository")), 403, "You are not allowed to upload code.")
    assert Project.objects.count() == before


def test_a_pull_creates_nothing(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 64."""
    before = Project.objects.count()
    refused(git.both("ann/fresh", PULL, pat("ann")), 404, PROJECT_NOT_FOUND)
    assert Project.objects.count() == before


def test_a_group_where_she_may_not_create_projects(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 65."""
    before = Project.objects.count()
    refused(git.both("gnuwget/fresh", PUSH, pat("ann")), 404, PROJECT_NOT_FOUND)
    assert Project.objects.count() == before


def test_the_first_request_of_a_push_creates_its_project(git: Git, pat: Callable[..., str], gitaly: Any, shell: Client) -> None:
    """contract: git-http 2.6: `info/refs` comes first; the message is told after the push, with the HTTP URL."""
    [body] = allowed([git.info_refs("ann/fresh", PUSH, pat("ann"))])
    made = Project.objects.get(path="fresh")
    assert body["GL_REPOSITORY"] == f"project-{made.pk}"
    assert gitaly.path_of("default", body["Repository"]["relative_path"]).exists()
    [again] = allowed([git.post("ann/fresh", PUSH, pat("ann"))])
    assert again["GL_REPOSITORY"] == body["GL_REPOSITORY"]
    report = {"gl_repository": body["GL_REPOSITORY"], "identifier": body["GL_ID"], "changes": f"{'0' * 40} {'a' * 40} refs/heads/main"}
    messages = shell.post("/api/v4/internal/post_receive", report, content_type="application/json").json()["messages"]
    assert any("http://localhost:3001/ann/fresh.git" in message["message"] for message in messages)


def test_a_path_that_no_project_can_have_is_422_or_404(git: Git, pat: Callable[..., str], gitaly: Any) -> None:
    refused(git.both("ann/no spaces", PUSH, pat("ann")), 404, "The namespace you were looking for could not be found.")
    refused(git.both("foo", PULL, pat("ann")), 404, "The namespace you were looking for could not be found.")
    refused(git.both("snippets/1", PULL, pat("ann")), 404)


def test_no_project_is_created_without_gitaly(git: Git, pat: Callable[..., str], tmp_path: Path) -> None:
    Storage.objects.update(gitaly_address=f"unix:{tmp_path}/nothing.socket")
    before = Project.objects.count()
    answer = git.info_refs("ann/fresh", PUSH, pat("ann"))
    refused([answer], 503)
    assert answer["Retry-After"] == "5"
    assert Project.objects.count() == before


def test_an_archived_project(git: Git, pat: Callable[..., str], project7: Project) -> None:
    """contract: git-http 67."""
    change(project7, archived=True)
    allowed(git.both("gnuwget/wget2", PULL, pat("ann")))
    refused(git.both("gnuwget/wget2", PUSH, pat("ann")), 403, "You can't push code to an archived project.")


def test_a_read_only_repository(git: Git, pat: Callable[..., str], project7: Project) -> None:
    """contract: git-http 68."""
    change(project7, read_only=True)
    refused(git.both("gnuwget/wget2", PUSH, pat("ann")), 403, "The repository is temporarily read-only. Please try again later.")


def test_a_read_only_instance(git: Git, pat: Callable[..., str]) -> None:
    change_instance(read_only=True)
    allowed(git.both("gnuwget/wget2", PULL, pat("ann")))
    refused(git.both("gnuwget/wget2", PUSH, pat("ann")), 403)


def test_pulls_over_http_switched_off(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 70."""
    change_instance(http_pull=False)
    refused(git.both("gnuwget/wget2", PULL, pat("ann")), 403, "Pulling over HTTP is not allowed.")
    refused(git.both("pub/lic", PULL), 403, "Pulling over HTTP is not allowed.")
    allowed(git.both("gnuwget/wget2", PUSH, pat("ann")))


def test_pushes_over_http_switched_off(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 71."""
    change_instance(http_push=False)
    refused(git.both("gnuwget/wget2", PUSH, pat("ann")), 403, "Pushing over HTTP is not allowed.")


def test_a_group_that_takes_ssh_only(git: Git, pub: Namespace) -> None:
    """contract: git-http 73."""
    change(pub, enabled_git_access_protocol="ssh")
    refused(git.both("pub/lic", PULL), 403, "Git access over HTTP is not allowed")


def test_an_instance_that_takes_ssh_only(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 2.3: nobody is let through, and so asked for credentials; 2.6 row 5 refuses who has some."""
    change_instance(enabled_git_access_protocol="ssh")
    refused(git.both("pub/lic", PULL), 401)
    refused(git.both("pub/lic", PULL, pat("ann")), 403, "Git access over HTTP is not allowed")


def test_a_repository_that_is_missing(git: Git, pat: Callable[..., str], project7: Project, project8: Project) -> None:
    """contract: git-http 74, C4: Gitaly's own text would be unreadable."""
    for project in (project7, project8):
        change(project, repository_exists=False)
    text = "A repository for this project does not exist yet."
    refused(git.both("gnuwget/wget2", PULL, pat("ann")), 404, text)
    refused(git.both("pub/lic", PULL), 404, text)


def test_no_command_and_nonsense(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 76, 2.6 row 10."""
    refused([git.info_refs("pub/lic", None), git.info_refs("pub/lic", "git-annex")], 401)
    text = "The command you're trying to execute is not allowed."
    refused([git.info_refs("pub/lic", command, pat("ann")) for command in (None, "", "git-annex")], 403, text)


def test_of_two_commands_the_first_is_decided(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 10.2: the one that Workhorse obeys."""
    for first, second, status in ((PULL, PUSH, 200), (PUSH, PULL, 401)):
        assert git.client.get(f"/pub/lic.git/info/refs?service={first}&service={second}").status_code == status


def test_a_name_that_no_project_may_have_is_422(git: Git, pat: Callable[..., str], gitaly: Any) -> None:
    """contract: git-http 2.6, allowed 4.7."""
    answers = [git.info_refs(f"ann/{'x' * 300}", PUSH, pat("ann"))]
    refused(answers, 422)
    assert answers[0].content.startswith(b"Could not create project: ")
    assert not Project.objects.filter(path__startswith="xxx").exists()


def test_every_refusal_is_short_text_that_no_page_replaces(git: Git, pat: Callable[..., str], people: dict[str, User]) -> None:
    """contract: git-http 22: whatever is refused, for whatever reason."""
    answers = [
        answer
        for path in ("gnuwget/wget2", "pub/lic", "gnuwget/nothing", "foo", "pub/lic.wiki", "a/" + "b" * 3000)
        for authorization in (None, pat("out"), pat("rex", "read_user"), "Basic %%%", "Basic " + "A" * 4000)
        for command in (PULL, PUSH)
        for answer in git.both(path, command, authorization)
        if answer.status_code != 200
    ]
    assert {answer.status_code for answer in answers} == {401, 403, 404}
    for answer in answers:
        refused([answer], answer.status_code)
        assert b"<" not in answer.content


def test_an_archive(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 77: Workhorse answers 404 by itself."""
    allowed([git.info_refs("gnuwget/wget2", "git-upload-archive", pat("rex"))])


def test_a_list_of_addresses(git: Git, pat: Callable[..., str], pub: Namespace) -> None:
    """contract: git-http 79."""
    change(pub, ip_allowlist=["203.0.113.0/24"])
    refused(git.both("pub/lic", PULL, x_forwarded_for="198.51.100.1"), 401)
    allowed(git.both("pub/lic", PULL, x_forwarded_for="203.0.113.9"))
    refused(git.both("pub/lic", PULL, pat("ann"), x_forwarded_for="198.51.100.1"), 404, PROJECT_NOT_FOUND)
    allowed(git.both("pub/lic", PULL, pat("ann"), x_forwarded_for="203.0.113.9"))


def test_a_client_without_address_is_in_no_list(git: Git, pub: Namespace) -> None:
    """Behind a unix socket whose proxy names nobody."""
    change(pub, ip_allowlist=["0.0.0.0/0"])
    answer = git.client.get(f"/pub/lic.git/info/refs?service={PULL}", REMOTE_ADDR="")
    refused([answer], 401)


def test_anybody_pulls_the_wiki_of_a_public_project(git: Git) -> None:
    """contract: git-http 80."""
    for body in allowed(git.both("pub/lic.wiki", PULL)):
        assert body["GL_REPOSITORY"] == "wiki-8"
        assert body["Repository"]["relative_path"].endswith(".wiki.git")
        assert body["Repository"]["gl_project_path"] == "pub/lic.wiki"
        assert "ProjectID" not in body
        assert "RootNamespaceID" not in body


def test_writers_of_a_wiki(git: Git, pat: Callable[..., str], gitaly: Any) -> None:
    """contract: git-http 82; decisions 16d: its repository is created before the first push."""
    refused(git.both("pub/lic.wiki", PUSH, pat("rex")), 403, "You are not allowed to write to this project's wiki.")
    for body in allowed(git.both("pub/lic.wiki", PUSH, pat("ann"))):
        assert gitaly.path_of("default", body["Repository"]["relative_path"]).exists()


def test_a_wiki_without_its_repository_feature(git: Git, pat: Callable[..., str], gitaly: Any, project8: Project) -> None:
    """contract: git-http 83."""
    change(project8, repository_access_level="disabled")
    allowed(git.both("pub/lic.wiki", PULL, pat("ann")) + git.both("pub/lic.wiki", PUSH, pat("ann")))


def test_a_wiki_of_a_hidden_project(git: Git, pat: Callable[..., str]) -> None:
    refused(git.both("gnuwget/wget2.wiki", PULL, pat("out")) + git.both("gnuwget/no.wiki", PULL, pat("out")), 404, WIKI_NOT_FOUND)


def test_a_former_path(git: Git, pat: Callable[..., str], project7: Project, shell: Client) -> None:
    """contract: git-http 85, 86: the new address is told once, over HTTP."""
    add_redirect(project7, "old/path")
    for body in allowed(git.both("old/path", PULL, pat("ann")) + git.both("old/path", PUSH, pat("ann"))):
        assert body["Repository"]["gl_project_path"] == "gnuwget/wget2"
    report = {
        "gl_repository": "project-7",
        "identifier": f"user-{User.objects.get(username='ann').pk}",
        "changes": f"{'0' * 40} {'a' * 40} refs/heads/topic",
    }
    told = [
        [
            message["message"]
            for message in shell.post("/api/v4/internal/post_receive", report, content_type="application/json").json()["messages"]
        ]
        for _ in range(2)
    ]
    assert any("git remote set-url origin http://localhost:3001/gnuwget/wget2.git" in text for text in told[0])
    assert not told[1]


def test_an_administrator(git: Git, pat: Callable[..., str], people: dict[str, User]) -> None:
    """contract: git-http 88."""
    change(people["out"], admin=True)
    allowed(git.both("gnuwget/wget2", PULL, pat("out")) + git.both("gnuwget/wget2", PUSH, pat("out")))


def test_a_storage_limit_is_for_the_hook(git: Git, pat: Callable[..., str], gnuwget: Namespace, shell: Client) -> None:
    """contract: git-http 89."""
    Namespace.objects.filter(pk=gnuwget.pk).update(over_storage_limit=True, storage_limit=1)
    allowed(git.both("gnuwget/wget2", PUSH, pat("ann")))
    hook = {
        "action": PUSH,
        "gl_repository": "project-7",
        "protocol": "http",
        "user_id": str(User.objects.get(username="ann").pk),
        "changes": f"{'0' * 40} {'a' * 40} refs/heads/topic",
    }
    answer = shell.post("/api/v4/internal/allowed", hook, content_type="application/json")
    assert answer.status_code == 401
    assert "storage limit" in answer.json()["message"]


def test_a_refusal_of_a_known_user_is_kept(git: Git, pat: Callable[..., str]) -> None:
    """contract: git-http 2.8, decisions 25."""
    git.info_refs("gnuwget/wget2", PUSH, pat("rex"))
    refusal = Refusal.objects.get()
    assert (refusal.username, refusal.protocol, refusal.action, refusal.reason) == ("rex", "http", PUSH, "push_not_allowed")
    git.info_refs("gnuwget/wget2", PULL)
    assert Refusal.objects.count() == 1
