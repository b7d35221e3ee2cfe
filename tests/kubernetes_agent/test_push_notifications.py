"""Agents hear of a push: what follows a push tells kas (contract: kubernetes-agent, "What the server tells kas")."""

import logging
from collections.abc import Iterator

import grpc
import pytest
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import DjangoCaptureOnCommitCallbacks, Settings

from internal_api.database_metrics import database_exposition
from internal_api.doctor import Consultation, Finding, Level, examine
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS
from internal_api.shared_store import SharedStoreError
from kubernetes_agent.kas import client
from kubernetes_agent.kas.kas_pb2 import GitPushEventRequest
from kubernetes_agent.models import Agent
from kubernetes_agent.services import push_notifications
from kubernetes_agent.services.push_notifications import ATTEMPTS, tell_kas
from repositories.models import Project, PushEvent
from repositories.services.after_push import follow_push
from tests.factories import AgentFactory, ProjectFactory
from tests.kas_server import KasServer, running_kas
from tests.servers import free_port
from tests.tasks import run_tasks

pytestmark = pytest.mark.django_db
OLD, NEW = "a" * 40, "b" * 40


@pytest.fixture
def kas(settings: Settings, monkeypatch: pytest.MonkeyPatch, store: object) -> Iterator[KasServer]:
    monkeypatch.setattr(client, "_channels", {})
    client._breaker.cache_clear()  # noqa: SLF001  nothing has failed yet
    with running_kas(service_secrets(KAS)[0]) as running:
        settings.KAS_ADDRESS = running.address
        yield running


@pytest.fixture
def project() -> Project:
    found = ProjectFactory.create()
    AgentFactory.create(project=found)
    return found


def pushed(project: Project, repository: str = "project") -> PushEvent:
    changes = [[OLD, NEW, "refs/heads/main"]]
    return PushEvent.objects.create(project=project, gl_repository=f"{repository}-{project.pk}", changes=changes)


def told(kas: KasServer) -> list[tuple[int, str]]:
    requests = [GitPushEventRequest.FromString(body).event.project for body in kas.received]
    return [(request.id, request.full_path) for request in requests]


def waiting() -> int:
    return DBTaskResult.objects.filter(task_path=tell_kas.module_path, status="READY").count()


def test_kas_is_told_after_a_push(
    project: Project, kas: KasServer, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        follow_push.call(pushed(project).pk, "abc")
    run_tasks()
    assert told(kas) == [(project.pk, project.route.path)]
    assert 'internal_api_kas_push_notifications_total{outcome="sent"} 1.0' in database_exposition().decode()


def test_while_one_waits_further_pushes_make_no_other(
    project: Project, kas: KasServer, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    other = ProjectFactory.create(path="other", namespace=project.namespace)
    with django_capture_on_commit_callbacks(execute=True):
        for one in (project, project, other, project):
            follow_push.call(pushed(one).pk, "")
    assert waiting() == 2
    run_tasks()
    assert sorted(told(kas)) == sorted([(project.pk, project.route.path), (other.pk, other.route.path)])
    with django_capture_on_commit_callbacks(execute=True):
        follow_push.call(pushed(project).pk, "")
    run_tasks()
    assert len(kas.received) == 3, "the next push is told again"


@pytest.mark.parametrize("case", ["no address", "no agent", "a wiki"])
def test_nothing_is_enqueued(
    case: str, project: Project, kas: KasServer, settings: Settings, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    if case == "no address":
        settings.KAS_ADDRESS = ""
    if case == "no agent":
        Agent.objects.all().delete()
    with django_capture_on_commit_callbacks(execute=True):
        follow_push.call(pushed(project, "wiki" if case == "a wiki" else "project").pk, "")
    assert waiting() == 0


def test_without_the_store_kas_is_told_all_the_same(
    project: Project, kas: KasServer, monkeypatch: pytest.MonkeyPatch, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    class Away:
        def put_once(self, key: str, text: str, life: int) -> bool:
            raise SharedStoreError

        def forget(self, key: str) -> None:
            raise SharedStoreError

    monkeypatch.setattr(push_notifications, "shared_store", Away)
    with django_capture_on_commit_callbacks(execute=True):
        follow_push.call(pushed(project).pk, "")
    run_tasks()
    assert told(kas) == [(project.pk, project.route.path)]


def test_a_kas_that_is_away_is_tried_a_few_times_and_given_up(
    project: Project, kas: KasServer, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing fails, and nothing waits for it: each further attempt is a task of its own, later."""
    caplog.set_level(logging.INFO)
    settings.KAS_ADDRESS = f"grpc://localhost:{free_port()}"
    tell_kas.call(project.pk, 1, "abc")
    for attempt in range(2, ATTEMPTS + 1):
        (row,) = DBTaskResult.objects.filter(task_path=tell_kas.module_path, status="READY")
        assert row.args_kwargs["args"] == [project.pk, attempt]
        assert row.args_kwargs["kwargs"]["request_id"] == "abc"
        assert row.run_after > row.enqueued_at
        row.delete()
        tell_kas.call(project.pk, attempt, "abc")
    assert waiting() == 0
    assert caplog.text.count(f"Kas was not told of a push to project {project.pk}") == ATTEMPTS
    assert f'internal_api_kas_push_notifications_total{{outcome="failed"}} {float(ATTEMPTS)}' in database_exposition().decode()


def test_a_refusal_is_logged_without_the_token(project: Project, kas: KasServer, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(context: grpc.ServicerContext) -> None:
        context.abort(grpc.StatusCode.UNAUTHENTICATED, "unknown token")

    kas.before = refuse
    tell_kas.call(project.pk, ATTEMPTS)
    assert "UNAUTHENTICATED: unknown token" in caplog.text
    assert "bearer" not in caplog.text.lower()


def test_a_project_that_was_deleted_meanwhile_is_not_told(project: Project, kas: KasServer) -> None:
    tell_kas.call(project.pk + 1, 1)
    assert kas.calls == 0


def finding() -> Finding:
    (found,) = [one for one in examine(Consultation()) if one.name == "kas"]
    return found


def test_the_doctor_connects_to_kas(kas: KasServer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (finding().level, finding().text) == (Level.WELL, f"{kas.address} can be connected to")
    assert kas.calls == 0
    monkeypatch.setattr("kubernetes_agent.doctor_checks.SECONDS", 0.2)
    settings.KAS_ADDRESS = f"grpc://localhost:{free_port()}"
    assert (finding().level, "api.listen" in finding().advice) == (Level.PROBLEM, True)
    settings.KAS_API_SECRET_FILE = settings.VAR_DIR / "missing"
    assert (finding().level, "KAS_API_SECRET_FILE" in finding().advice) == (Level.PROBLEM, True)
    settings.KAS_ADDRESS = ""
    assert finding().level == Level.WELL
