"""The worker and its sweeps: nothing that was enqueued stays behind because somebody died."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from internal_api.backoff import backoff
from internal_api.models import TaskWorker
from internal_api.sweeps import TRIES, sweep
from internal_api.workers import heartbeat, queue_state
from repositories.services.after_push import follow_push


def task(status: str, workers: list[str] | None = None, **fields: Any) -> DBTaskResult[Any, Any]:
    result = follow_push.enqueue(0, "")
    DBTaskResult.objects.filter(pk=result.id).update(status=status, worker_ids=workers or [], **fields)
    return DBTaskResult.objects.get(pk=result.id)


def test_tasks_of_the_dead_are_ready_again_and_those_of_the_living_are_not(db: None) -> None:
    now = timezone.now()
    TaskWorker.objects.create(worker_id="alive", host="x", pid=1, seen_at=now - timedelta(seconds=50))
    TaskWorker.objects.create(worker_id="dead", host="x", pid=2, seen_at=now - timedelta(seconds=70))
    kept = task("RUNNING", ["dead", "alive"], started_at=now)
    lost = [task("RUNNING", ["alive", "dead"], started_at=now), task("RUNNING", ["forgotten"], started_at=now)]
    assert sweep() == {"tasks of workers that died": 2}
    kept.refresh_from_db()
    assert kept.status == TaskResultStatus.RUNNING
    assert set(DBTaskResult.objects.ready().values_list("pk", flat=True)) == {row.pk for row in lost}
    assert TaskWorker.objects.get().worker_id == "alive"


def test_a_task_that_failed_is_tried_again_after_a_while_and_ten_times(db: None) -> None:
    now = timezone.now()
    early = task("FAILED", ["x"], finished_at=now - timedelta(seconds=3))
    due = task("FAILED", ["x"] * 3, finished_at=now - timedelta(seconds=41))
    spent = task("FAILED", ["x"] * TRIES, finished_at=now - timedelta(days=1))
    assert sweep() == {"tasks that failed": 1}
    states = dict(DBTaskResult.objects.values_list("pk", "status"))
    assert [states[row.pk] for row in (early, due, spent)] == ["FAILED", "READY", "FAILED"]
    assert queue_state().failed == 1
    call_command("retry_tasks", "--json")
    assert DBTaskResult.objects.ready().count() == 3


def test_a_worker_is_known_while_it_lives(db: None) -> None:
    with heartbeat("me"):
        assert queue_state().workers == 1
    assert not TaskWorker.objects.exists()


def test_how_the_queue_is_doing(db: None) -> None:
    assert (queue_state().ready, queue_state().oldest_seconds) == (0, 0.0)
    task("READY")
    DBTaskResult.objects.update(enqueued_at=timezone.now() - timedelta(seconds=90))
    task("READY")
    task("RUNNING", ["x"])
    state = queue_state()
    assert (state.workers, state.ready, state.running, state.failed) == (0, 2, 1, 0)
    assert 89 < state.oldest_seconds < 100


@pytest.mark.parametrize(("attempts", "longest"), [(0, 10), (1, 10), (2, 20), (5, 160), (9, 2560), (10, 3600), (1000, 3600)])
def test_pauses_double_up_to_an_hour_and_differ(attempts: int, longest: float) -> None:
    pauses = {backoff(attempts) for _ in range(50)}
    assert longest / 2 <= min(pauses) < max(pauses) <= longest


@pytest.mark.django_db(transaction=True)
def test_the_command_works_the_queue_off(settings: Settings) -> None:
    follow_push.enqueue(0, "")
    call_command("db_worker", "--batch", "--no-startup-delay", "--verbosity", "0")
    assert DBTaskResult.objects.get().status == TaskResultStatus.SUCCESSFUL
    assert not TaskWorker.objects.exists()
