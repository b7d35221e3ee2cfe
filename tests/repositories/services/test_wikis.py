"""The first allowed push to a wiki creates its repository (contract: decisions 16d, allowed 4.3 row 14)."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from repositories.errors import RepositoryNotCreatedError
from repositories.models import Project, Storage
from repositories.policy.repository_path import relative_path
from repositories.services.access import set_member
from tests.factories import SSHKeyFactory
from tests.gitaly_server import FakeGitaly


@pytest.fixture
def wiki(ann: User, gitaly: FakeGitaly, rockets: Project) -> Project:
    """A project whose wiki has no repository, and says so; ann is a developer."""
    set_member(rockets, ann, 30)
    SSHKeyFactory.create(id=11, user=ann)
    Project.objects.update(wiki_exists=False)
    return rockets


def ask(shell: Client, action: str = "git-receive-pack") -> Any:
    question = {"action": action, "project": "acme/rockets.wiki.git", "changes": "_any", "protocol": "ssh", "key_id": "11"}
    return shell.post("/api/v4/internal/allowed", question, content_type="application/json")


@pytest.mark.parametrize("believed", [False, True])
def test_first_push_creates_the_wiki(shell: Client, wiki: Project, gitaly: FakeGitaly, believed: bool) -> None:
    """Also where the row, as rows do by default, says that it exists."""
    Project.objects.update(wiki_exists=believed)
    assert ask(shell).status_code == 200
    assert (gitaly.path_of("default", relative_path(wiki.pk, "wiki")) / "HEAD").exists()
    assert Project.objects.get().wiki_exists
    gitaly.calls.clear()
    assert ask(shell).status_code == 200
    assert gitaly.calls == ["RepositoryExists"]


def test_pull_before_the_first_push_is_told_that_there_is_none(shell: Client, wiki: Project, gitaly: FakeGitaly) -> None:
    response = ask(shell, "git-upload-pack")
    assert (response.status_code, response.json()["message"]) == (404, "A repository for this wiki does not exist yet.")
    assert gitaly.calls == []


def test_refused_push_creates_nothing(shell: Client, wiki: Project, gitaly: FakeGitaly, ann: User) -> None:
    set_member(wiki, ann, 10)
    response = ask(shell)
    assert (response.status_code, response.json()["message"]) == (401, "You are not allowed to write to this project's wiki.")
    assert (gitaly.calls, Project.objects.get().wiki_exists) == ([], False)


@pytest.mark.parametrize(("believed", "status"), [(False, 503), (True, 200)])
def test_without_gitaly_only_what_is_known_to_be_missing_is_refused(shell: Client, wiki: Project, believed: bool, status: int) -> None:
    Project.objects.update(wiki_exists=believed)
    Storage.objects.update(gitaly_address="tcp://127.0.0.1:1")
    response = ask(shell)
    assert response.status_code == status
    if status == 503:
        assert response.json()["message"] == RepositoryNotCreatedError.message
    assert Project.objects.get().wiki_exists is believed
