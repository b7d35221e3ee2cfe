"""A project's rows are deleted first, then its repositories at Gitaly; what remains there is told and can be removed (decisions 16d)."""

import json
import sqlite3
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.management import CommandError, call_command
from django.db import IntegrityError, OperationalError, connection
from django.test import Client
from django.urls import reverse

from internal_api.errors import UnavailableError
from repositories.models import Project, Storage
from repositories.policy.repository_path import relative_path
from repositories.services import project_deletion
from repositories.services.project_deletion import delete_project
from tests.factories import UserFactory
from tests.gitaly_server import FakeGitaly

DELETE = ["delete_project", "acme/rockets", "--confirm", "acme/rockets"]


def command(*arguments: str) -> Any:
    out = StringIO()
    call_command(*arguments, "--json", stdout=out)
    return json.loads(out.getvalue())


def refuses_removal(gitaly: FakeGitaly) -> None:
    """Let Gitaly go away when it is asked to remove something."""

    def before(name: str) -> None:
        if name == "RemoveRepository":
            gitaly.unavailable = 5

    gitaly.before = before


def answers(gitaly: FakeGitaly) -> None:
    gitaly.unavailable, gitaly.before = 0, lambda _: None


@pytest.mark.parametrize("stored", [None, "legacy/rockets.git"])
def test_repository_that_remains_is_told_and_removed_by_a_command(gitaly: FakeGitaly, rockets: Project, stored: str | None) -> None:
    Project.objects.filter(pk=rockets.pk).update(relative_path=stored)
    path = relative_path(rockets.pk, "project", stored)
    directory = gitaly.make(path)
    refuses_removal(gitaly)
    with pytest.raises(CommandError) as told:
        command(*DELETE)
    assert f"Project {rockets.pk} (acme/rockets) is deleted, but {path} remains at Gitaly: " in str(told.value)
    assert not Project.objects.exists()
    assert directory.exists()
    answers(gitaly)
    advised = str(told.value).split("python manage.py ")[1].partition(f" {relative_path(rockets.pk, 'wiki', stored)}")[0].split()
    assert command(*advised) == {"storage": "default", "relative_path": path, "repository_removed": True}
    assert not directory.exists()
    assert command(*advised)["repository_removed"] is False


def test_repository_of_a_project_is_not_removed_by_the_command(gitaly: FakeGitaly, rockets: Project) -> None:
    Project.objects.filter(pk=rockets.pk).update(relative_path="legacy/rockets.git")
    hashed = relative_path(rockets.pk, "project").removesuffix(".git")
    gitaly.calls.clear()
    for arguments, told in (
        ([f"project-{rockets.pk}", "--storage", "default"], "It is the repository of acme/rockets, which delete_project deletes"),
        (["project-999", "--storage", "default", "--relative-path", "legacy/rockets"], "It is the repository of acme/rockets"),
        (["wiki-999", "--storage", "default", "--relative-path", "legacy/rockets.git"], "It is the repository of acme/rockets"),
        (["project-999", "--storage", "default", "--relative-path", "legacy/rockets.wiki.git"], "It is the repository of acme/rockets"),
        (["project-999", "--storage", "default", "--relative-path", hashed], "outside of hashed storage"),
        (["project-999", "--storage", "default", "--relative-path", "../x"], "is not a path below a storage"),
        (["project-999", "--storage", "none"], "There is no storage 'none'"),
        (["rockets", "--storage", "default"], "is neither project-ID nor wiki-ID"),
    ):
        with pytest.raises(CommandError, match=told):
            command("remove_repository", *arguments)
    assert gitaly.calls == []


def test_nothing_is_deleted_while_gitaly_is_away(gitaly: FakeGitaly, rockets: Project) -> None:
    Storage.objects.update(gitaly_token="another")
    with pytest.raises(CommandError, match=r"cannot be removed at the moment: .* Nothing was deleted"):
        command(*DELETE)
    assert Project.objects.exists()


@pytest.fixture
def administrator(db: None) -> Client:
    UserFactory.create(username="root", admin=True, password="correct horse battery")
    client = Client()
    client.post(reverse("admin:login"), {"username": "root", "password": "correct horse battery"})
    return client


def delete_on_site(client: Client, project: Project) -> list[str]:
    response = client.post(reverse("admin:repositories_project_delete", args=[project.pk]), {"post": "yes"})
    assert response.status_code == 302
    return [str(message) for message in get_messages(response.wsgi_request)]


@pytest.mark.django_db(transaction=True)
def test_admin_site_waits_for_gitaly_outside_of_its_transaction(gitaly: FakeGitaly, rockets: Project, administrator: Client) -> None:
    directory = gitaly.make(relative_path(rockets.pk, "project"))
    rows: list[tuple[str, bool]] = []
    original = project_deletion.check_gitaly_can_remove, project_deletion.remove_repositories

    def seen(name: str, step: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def run(project: Any) -> Any:
            rows.append((name, connection.in_atomic_block))
            return step(project)

        return run

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("repositories.admin.places.check_gitaly_can_remove", seen("check", original[0]))
        patch.setattr("repositories.admin.places.remove_repositories", seen("remove", original[1]))
        delete_on_site(administrator, rockets)
    assert rows == [("check", False), ("remove", False)]
    assert (Project.objects.exists(), directory.exists()) == (False, False)


@pytest.mark.django_db(transaction=True)
def test_admin_site_tells_what_remains(gitaly: FakeGitaly, rockets: Project, administrator: Client) -> None:
    gitaly.make(relative_path(rockets.pk, "project"))
    refuses_removal(gitaly)
    told = delete_on_site(administrator, rockets)
    assert any("The project is deleted, but @hashed/" in one and f"remove_repository project-{rockets.pk}" in one for one in told)
    assert not Project.objects.exists()


def test_conflict_is_tried_again_and_another_error_is_not(rockets: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[Exception] = [IntegrityError("a row that names it"), IntegrityError("another")]
    original = project_deletion._delete_rows  # noqa: SLF001  the step that conflicts

    def delete_rows(project_id: int) -> None:
        if failures:
            raise failures.pop()
        original(project_id)

    monkeypatch.setattr(project_deletion, "_delete_rows", delete_rows)
    monkeypatch.setattr(project_deletion, "PAUSE", 0)
    failures.append(OperationalError("disk full"))
    failures[-1].__cause__ = sqlite3.OperationalError("disk full")
    with pytest.raises(OperationalError):
        delete_project(rockets)
    delete_project(rockets)
    assert not Project.objects.exists()


def test_conflict_that_does_not_end_is_told_in_plain_words(rockets: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    def conflict(_: int) -> None:
        raise IntegrityError("violates foreign key constraint")

    monkeypatch.setattr(project_deletion, "_delete_rows", conflict)
    monkeypatch.setattr(project_deletion, "RETRY_SECONDS", 0)
    with pytest.raises(UnavailableError, match=r"is being written to all the time\. Nothing was deleted; try again\."):
        delete_project(rockets)
