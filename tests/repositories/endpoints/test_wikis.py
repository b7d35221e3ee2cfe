"""POST /allowed for the wiki of a project, from the row in the database to the answer (contract: allowed 9.4, 10.11)."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from repositories.models import Project
from repositories.services.access import grant_deploy_key, set_member
from tests import public_keys
from tests.factories import DeployKeyFactory, ProjectFactory, SSHKeyFactory, UserFactory

PATH = "/api/v4/internal/allowed"
MISSING = "The wiki you were looking for could not be found."
NO_REPOSITORY = "A repository for this wiki does not exist yet."
NO_DOWNLOAD = "You are not allowed to download files from this wiki."
NO_WRITING = "You are not allowed to write to this project's wiki."
NO_WRITE_ACCESS = "This deploy key does not have write access to this project."


@pytest.fixture
def eve(db: None) -> User:
    """Somebody who is no member of anything, with key 12."""
    eve = UserFactory.create(username="eve")
    SSHKeyFactory.create(id=12, user=eve, key=public_keys.ECDSA_256)
    return eve


@pytest.fixture
def wiki(rockets: Project, ann: User, eve: User) -> Project:
    """The project whose wiki is asked for; ann, a developer of it, has key 11."""
    set_member(rockets, ann, 30)
    SSHKeyFactory.create(id=11, user=ann)
    return rockets


def ask(shell: Client, project: Project, *, by_id: bool, **values: Any) -> tuple[int, str | None]:
    name = {"gl_repository": f"wiki-{project.pk}"} if by_id else {"project": f"acme/{project.path}.wiki.git"}
    question = {"action": "git-upload-pack", "changes": "_any", "protocol": "ssh", **name, **values}
    response = shell.post(PATH, question, content_type="application/json")
    return response.status_code, response.json().get("message")


def change(project: Project, **fields: Any) -> None:
    Project.objects.filter(pk=project.pk).update(**fields)


@pytest.mark.parametrize("by_id", [False, True], ids=["by path", "by id"])
@pytest.mark.parametrize(
    ("visibility", "member", "level", "exists", "answer"),
    [
        pytest.param("private", True, "private", True, (200, None), id="#235"),
        pytest.param("private", True, "disabled", True, (401, NO_DOWNLOAD), id="#236"),
        pytest.param("private", True, "disabled", False, (404, NO_REPOSITORY), id="#238"),
        pytest.param("private", True, "private", False, (404, NO_REPOSITORY), id="#239"),
        pytest.param("private", False, "private", True, (404, MISSING), id="#241"),
        pytest.param("private", False, "disabled", True, (404, MISSING), id="#242"),
        pytest.param("public", True, "enabled", True, (200, None), id="#244"),
        pytest.param("public", True, "private", True, (200, None), id="#245"),
        pytest.param("public", True, "enabled", False, (404, NO_REPOSITORY), id="#247"),
        pytest.param("public", False, "enabled", True, (200, None), id="#248"),
        pytest.param("public", False, "private", True, (401, NO_DOWNLOAD), id="members only"),
        pytest.param("public", False, "disabled", True, (401, NO_DOWNLOAD), id="#250"),
        pytest.param("public", False, "private", False, (404, NO_REPOSITORY), id="#251"),
        pytest.param("internal", False, "enabled", True, (200, None), id="internal"),
    ],
)
def test_who_pulls_a_wiki(
    shell: Client, wiki: Project, visibility: str, member: bool, level: str, exists: bool, answer: tuple[int, str | None], by_id: bool
) -> None:
    change(wiki, visibility=visibility, wiki_access_level=level, wiki_exists=exists)
    assert ask(shell, wiki, by_id=by_id, key_id=11 if member else 12) == answer


@pytest.mark.parametrize(
    ("role", "answer"),
    [(10, (401, NO_WRITING)), (15, (200, None)), (20, (401, NO_WRITING)), (25, (401, NO_WRITING)), (30, (200, None)), (40, (200, None))],
)
def test_which_roles_write_to_a_wiki(shell: Client, wiki: Project, eve: User, role: int, answer: tuple[int, str | None]) -> None:
    """Allowed 9.4: Planner, Developer and up, not Reporter."""
    set_member(wiki, eve, role)
    assert ask(shell, wiki, by_id=False, action="git-receive-pack", key_id=12) == answer


@pytest.mark.parametrize("by_id", [False, True], ids=["by path", "by id"])
def test_who_is_no_member_is_told_of_no_wiki(shell: Client, wiki: Project, by_id: bool) -> None:
    """Allowed 10.11 #254; the same for a wiki that does not exist."""
    missing = ProjectFactory.build(id=10**6, namespace=wiki.namespace, path="nothing")
    for values in ({"action": "git-receive-pack"}, {"action": "git-upload-pack"}):
        assert ask(shell, wiki, by_id=by_id, key_id=12, **values) == (404, MISSING)
        assert ask(shell, missing, by_id=by_id, key_id=12, **values) == (404, MISSING)


@pytest.mark.parametrize(
    ("level", "pull"),
    [("enabled", (200, None)), ("private", (200, None)), ("disabled", (401, NO_DOWNLOAD))],
    ids=["enabled", "private", "#256"],
)
def test_a_deploy_key_and_a_wiki(shell: Client, wiki: Project, ann: User, level: str, pull: tuple[int, str | None]) -> None:
    """Allowed 10.11 #256; what may only be read is not written to."""
    key = DeployKeyFactory.create(owner=ann)
    grant_deploy_key(wiki, key, can_push=False)
    change(wiki, wiki_access_level=level)
    assert ask(shell, wiki, by_id=True, key_id=key.pk) == pull
    assert ask(shell, wiki, by_id=True, key_id=key.pk, action="git-receive-pack") == (401, NO_WRITE_ACCESS)


@pytest.mark.parametrize("changes", ["_any", f"{'a' * 40} {'b' * 40} refs/heads/x"])
def test_a_deploy_key_and_a_disabled_repository(shell: Client, wiki: Project, ann: User, changes: str) -> None:
    """Allowed 9.2: nobody pulls or pushes, deploy keys included."""
    key = DeployKeyFactory.create(owner=ann)
    grant_deploy_key(wiki, key, can_push=True)
    question = {"gl_repository": f"project-{wiki.pk}", "key_id": key.pk, "protocol": "ssh", "changes": changes}
    push = shell.post(PATH, {**question, "action": "git-receive-pack"}, content_type="application/json")
    assert push.status_code == 200
    change(wiki, repository_access_level="disabled")
    push = shell.post(PATH, {**question, "action": "git-receive-pack"}, content_type="application/json")
    assert (push.status_code, push.json()["message"]) == (401, "You are not allowed to push code to this project.")
