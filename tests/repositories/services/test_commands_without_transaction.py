"""No command holds a transaction while it waits for the network: on SQLite every push would wait with it."""

from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from internal_api import outgoing
from repositories.gitaly import channel
from repositories.gitaly import client as gitaly_client
from repositories.gitaly.errors import GitalyUnavailableError
from repositories.models import Project, PushEvent
from repositories.selectors.namespaces import find_namespace
from repositories.services.projects import create_project
from repositories.services.repositories_at_gitaly import provide_repository
from tests.factories import GroupFactory, StorageFactory
from tests.gitaly_server import FakeGitaly, running
from tests.receiver import receiving

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[FakeGitaly]:
    with running(tmp_path / "storages") as server:
        StorageFactory.create(name="default", gitaly_address=server.address)
        GroupFactory.create(path="acme")
        yield server


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether a transaction was open, for each call that leaves the process."""
    seen: list[bool] = []
    retried, connected = channel.with_retries, outgoing._connect  # noqa: SLF001  where waiting begins

    def with_retries(*arguments: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return retried(*arguments)

    def connect(*arguments: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return connected(*arguments)

    monkeypatch.setattr(gitaly_client, "with_retries", with_retries)
    monkeypatch.setattr(outgoing, "_connect", connect)
    return seen


def run(*arguments: str) -> None:
    call_command(*arguments, stdout=StringIO(), stderr=StringIO())


def test_commands_that_ask_gitaly(storage: FakeGitaly, calls: list[bool], tmp_path: Path) -> None:
    file = tmp_path / "seed.yaml"
    file.write_text(yaml.safe_dump({"projects": [{"path": "acme/seeded", "repository": {"exists": True}}]}))
    steps = (
        ["create_project", "acme/engines"],
        ["create_project", "acme/named", "--default-branch", "trunk"],
        ["create_project", "acme/bare", "--without-repository"],
        ["set_default_branch", "acme/engines", "trunk"],
        ["create_repositories", "--wikis"],
        ["seed", str(file)],
        ["check_gitaly"],
        ["delete_project", "acme/engines", "--confirm", "acme/engines"],
    )
    for step in steps:
        before = len(calls)
        run(*step)
        assert len(calls) > before or "--without-repository" in step, f"{step[0]} was to ask Gitaly"
    before = len(calls)
    with pytest.raises(SystemExit):
        run("doctor", "--repositories", "--seconds", "1")
    assert len(calls) > before
    assert not any(calls)


def test_webhook_test(calls: list[bool], settings: Settings) -> None:
    settings.WEBHOOK_ALLOWED_TARGETS = ["127.0.0.1"]
    with receiving() as receiver:
        run("webhook_test", receiver.url)
    assert calls == [False]


def test_a_project_whose_repository_cannot_be_made_is_not_kept(storage: FakeGitaly, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no transaction that would take it back."""
    monkeypatch.setattr(gitaly_client, "with_retries", refuse)
    with pytest.raises(CommandError, match="cannot be created at the moment"):
        run("create_project", "acme/engines")
    assert not Project.objects.exists()


def test_a_project_whose_repository_cannot_be_removed_is_kept(storage: FakeGitaly, monkeypatch: pytest.MonkeyPatch) -> None:
    run("create_project", "acme/engines")
    with monkeypatch.context() as away:
        away.setattr(gitaly_client, "with_retries", refuse)
        with pytest.raises(CommandError, match="cannot be removed at the moment"):
            run("delete_project", "acme/engines", "--confirm", "acme/engines")
    assert Project.objects.exists()
    run("delete_project", "acme/engines", "--confirm", "acme/engines")
    assert not Project.objects.exists()


@pytest.mark.parametrize("reported", [True, False])
def test_a_push_that_is_reported_while_the_repository_is_made_counts(
    storage: FakeGitaly, monkeypatch: pytest.MonkeyPatch, reported: bool
) -> None:
    """The row is written after Gitaly has answered: it does not say empty of what was pushed meanwhile."""
    namespace = find_namespace("acme").get()
    project = create_project(path="engines", namespace=namespace, empty=True, default_branch="main")
    original = gitaly_client.GitalyClient.create_repository

    def create(self: Any, *arguments: Any, **options: Any) -> None:
        original(self, *arguments, **options)
        if reported:
            PushEvent.objects.create(project=project, gl_repository=f"project-{project.pk}")
            Project.objects.update(empty=False)

    monkeypatch.setattr(gitaly_client.GitalyClient, "create_repository", create)
    assert provide_repository(project)
    project.refresh_from_db()
    assert (project.repository_exists, project.empty) == (True, not reported)


def refuse(*_: object) -> None:
    raise GitalyUnavailableError("away")
