"""Sizes are measured after pushes, and limits follow by themselves (contract: decisions 10b, allowed case 333)."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from internal_api.shared_store import SharedStore
from repositories.models import Namespace, Project, Storage
from repositories.policy.repository_path import relative_path
from repositories.services import repository_sizes
from repositories.services.repository_sizes import measure_overdue
from storage_limits.services.exclusions import exclude
from tests.gitaly_server import FakeGitaly
from tests.repositories.services.conftest import BareRepository
from tests.tasks import run_tasks

MIB = 1024**2


@pytest.fixture(autouse=True)
def nothing_remembered() -> None:
    repository_sizes.slow_until.clear()


def fill(repository: BareRepository, size: int) -> None:
    """Let the repository take a little more than that many bytes."""
    (repository.path / "objects" / "large").write_bytes(bytes(size))


def report(shell: Client, project: Project, kind: str = "project") -> list[dict[str, Any]]:
    """A push was reported; the messages for the pusher."""
    told = {"gl_repository": f"{kind}-{project.pk}", "identifier": "", "changes": f"{'1' * 40} {'2' * 40} refs/heads/main\n"}
    response = shell.post("/api/v4/internal/post_receive", told, content_type="application/json")
    messages: list[dict[str, Any]] = response.json()["messages"]
    return messages


def limit(project: Project, size: int) -> Namespace:
    Namespace.objects.filter(pk=project.namespace_id).update(storage_limit=size)
    return Namespace.objects.get(pk=project.namespace_id)


@pytest.fixture
def grown(repository: BareRepository, rockets: Project, store: SharedStore) -> Project:
    """A project of 10 MiB at Gitaly whose size was never measured."""
    repository.branches("main")
    Project.objects.update(empty=False)
    fill(repository, 10 * MIB)
    return rockets


def test_push_measures_the_repository_and_its_wiki(shell: Client, grown: Project, gitaly: FakeGitaly) -> None:
    wiki = BareRepository(gitaly.make(relative_path(grown.pk, "wiki")))
    fill(wiki, 5 * MIB)
    report(shell, grown)
    run_tasks()
    grown.refresh_from_db()
    assert 15 * MIB < grown.storage_size < 16 * MIB
    assert grown.size_is_due is False


def test_project_is_measured_once_a_minute_and_not_forgotten(
    shell: Client, grown: Project, repository: BareRepository, gitaly: FakeGitaly
) -> None:
    report(shell, grown)
    run_tasks()
    fill(repository, 20 * MIB)
    gitaly.calls.clear()
    for _ in range(3):
        report(shell, grown)
        run_tasks()
    assert "RepositorySize" not in gitaly.calls
    later = DBTaskResult.objects.get(status="READY")
    grown.refresh_from_db()
    assert grown.size_measured_at is not None
    assert (later.task_path.rpartition(".")[2], later.run_after) == ("measure_size", grown.size_measured_at + timedelta(minutes=1))
    DBTaskResult.objects.filter(pk=later.pk).update(run_after=timezone.now())
    run_tasks()
    grown.refresh_from_db()
    assert grown.storage_size > 20 * MIB
    assert gitaly.calls.count("RepositorySize") == 2


def test_limit_bites_by_itself_and_lets_go_again(shell: Client, grown: Project, repository: BareRepository) -> None:
    limit(grown, 5 * MIB)
    report(shell, grown)
    run_tasks()
    assert Namespace.objects.get(pk=grown.namespace_id).over_storage_limit
    fill(repository, MIB)
    Project.objects.update(size_measured_at=timezone.now() - timedelta(minutes=1))
    report(shell, grown)
    run_tasks()
    assert not Namespace.objects.get(pk=grown.namespace_id).over_storage_limit


def test_size_stays_while_gitaly_is_away_and_a_sweep_measures_it_later(shell: Client, grown: Project, gitaly: FakeGitaly) -> None:
    Project.objects.update(storage_size=7)
    Storage.objects.update(gitaly_address="tcp://127.0.0.1:1")
    report(shell, grown)
    run_tasks()
    grown.refresh_from_db()
    assert (grown.storage_size, grown.size_is_due) == (7, True)
    Storage.objects.update(gitaly_address=gitaly.address)
    assert measure_overdue(timezone.now()) == 0
    assert measure_overdue(timezone.now() + timedelta(minutes=6)) == 1
    grown.refresh_from_db()
    assert grown.storage_size > 10 * MIB


def test_worker_waits_for_a_slow_gitaly_only_once(
    shell: Client, grown: Project, gitaly: FakeGitaly, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repository_sizes, "SECONDS", 0.2)
    gitaly.hang_seconds = 1
    assert not repository_sizes.measure(grown.pk)
    gitaly.calls.clear()
    assert not repository_sizes.measure(grown.pk)
    assert gitaly.calls == []


def test_size_of_a_project_that_is_gone_is_not_measured(db: None) -> None:
    assert not repository_sizes.measure(4711)


@pytest.mark.parametrize(
    ("used", "told"),
    [
        (94 * MIB, None),
        (95 * MIB, "acme uses 95 MiB of its storage limit of 100 MiB (95 %). Pushes are refused above the limit."),
        (100 * MIB, "acme uses 100 MiB of its storage limit of 100 MiB (100 %). Pushes are refused above the limit."),
        (150 * MIB, "acme uses 150 MiB of its storage limit of 100 MiB (150 %). Pushes are refused until it is reduced."),
    ],
)
@pytest.mark.parametrize("kind", ["project", "wiki"])
@pytest.mark.usefixtures("store")
def test_pusher_reads_how_much_is_used_from_95_percent_on(shell: Client, rockets: Project, used: int, told: str | None, kind: str) -> None:
    """Allowed #333."""
    limit(rockets, 100 * MIB)
    Project.objects.update(storage_size=used)
    assert report(shell, rockets, kind) == ([{"message": told, "type": "alert"}] if told else [])


@pytest.mark.usefixtures("store")
def test_excluded_namespace_reads_nothing(shell: Client, rockets: Project) -> None:
    exclude(limit(rockets, 100 * MIB), "paid for")
    Project.objects.update(storage_size=200 * MIB)
    assert report(shell, rockets) == []
