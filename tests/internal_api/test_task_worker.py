"""Workers are woken by PostgreSQL, ask few queries for a task, and go on asking every second where nothing wakes them."""

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from django.core.management import call_command
from django.db import DatabaseError, InternalError, OperationalError, ProgrammingError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django_tasks.base import TaskResultStatus
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from internal_api import task_listener
from internal_api.management.commands import db_worker as command
from internal_api.task_listener import TaskListener
from internal_api.task_worker import Worker
from repositories.models import Project, PushEvent
from repositories.services.after_push import follow_push
from tests.factories import UserFactory

_TOLD_BY = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT)


@pytest.fixture
def listener(transactional_db: None) -> Iterator[TaskListener]:
    found = TaskListener()
    found.start()
    yield found
    found.close()


def enqueue_in_a_thread(after: float, *, commit: bool = True) -> threading.Thread:
    def enqueue() -> None:
        time.sleep(after)
        try:
            with transaction.atomic():
                follow_push.enqueue(0, "")
                if not commit:
                    transaction.set_rollback(True)
        finally:
            connection.close()

    thread = threading.Thread(target=enqueue)
    thread.start()
    return thread


@pytest.mark.postgresql
def test_a_task_wakes_a_worker_that_waits(listener: TaskListener) -> None:
    assert listener.is_listening
    started = time.monotonic()
    thread = enqueue_in_a_thread(0.1)
    listener.wait(300)
    waited = time.monotonic() - started
    thread.join()
    assert waited < 150  # it was woken: without, it would have been the whole time
    assert DBTaskResult.objects.get().status == TaskResultStatus.READY


@pytest.mark.postgresql
def test_a_task_that_came_before_the_wait_is_not_missed(listener: TaskListener) -> None:
    follow_push.enqueue(0, "")
    started = time.monotonic()
    listener.wait(300)
    assert time.monotonic() - started < 150


@pytest.mark.postgresql
def test_a_task_that_is_rolled_back_wakes_nobody(listener: TaskListener) -> None:
    thread = enqueue_in_a_thread(0.0, commit=False)
    started = time.monotonic()
    listener.wait(1.0)
    thread.join()
    assert time.monotonic() - started >= 1.0


@pytest.mark.postgresql
def test_a_task_that_is_ready_again_wakes_too(listener: TaskListener) -> None:
    follow_push.enqueue(0, "")
    listener.wait(300)
    DBTaskResult.objects.update(status=TaskResultStatus.FAILED)
    DBTaskResult.objects.update(status=TaskResultStatus.READY)
    started = time.monotonic()
    listener.wait(300)
    assert time.monotonic() - started < 150


@pytest.mark.postgresql
def test_a_lost_connection_is_made_again(listener: TaskListener, caplog: pytest.LogCaptureFixture) -> None:
    lost = listener._connection  # noqa: SLF001  whose end is what this is about
    assert lost is not None
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [lost.info.backend_pid])
    with caplog.at_level(logging.WARNING):
        listener.wait(30)
    assert not listener.is_listening
    assert "was lost" in caplog.text
    listener._next_attempt = 0.0  # noqa: SLF001  a minute later
    listener.wait(0.01)
    assert listener.is_listening


@pytest.mark.postgresql
def test_an_address_of_its_own_is_used(transactional_db: None, settings: Settings) -> None:
    params = connection.get_connection_params()
    settings.PREPARED = False
    settings.DATABASE_LISTEN_URL = psycopg.conninfo.make_conninfo(
        **{name: params[name] for name in ("host", "port", "user", "dbname") if params.get(name)}
    )
    found = TaskListener()
    found.start()
    assert found.is_listening
    found.close()


@pytest.mark.postgresql
def test_where_notifications_do_not_arrive_workers_ask(
    transactional_db: None, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """As behind a pooler in transaction mode: LISTEN succeeds, on a connection that somebody else has next."""
    monkeypatch.setattr(task_listener, "PROBE_SECONDS", 0.2)
    monkeypatch.setattr(task_listener, "_like_djangos", lambda: _deaf(connection.get_connection_params()))
    found = TaskListener()
    with caplog.at_level(logging.WARNING):
        found.start()
    assert not found.is_listening
    assert "DATABASE_LISTEN_URL can lead past it" in caplog.text


def _deaf(params: dict[str, object]) -> "psycopg.Connection[tuple[object, ...]]":
    names = {name: str(value) for name, value in params.items() if name in {"host", "port", "user", "dbname", "password"}}
    made = psycopg.connect(**names, autocommit=True)  # type: ignore[arg-type]  # of the names above
    execute = made.execute
    made.execute = lambda text, *rest: execute(text.replace("LISTEN", "UNLISTEN"), *rest)  # type: ignore[method-assign, assignment]
    return made


@pytest.mark.once
def test_on_sqlite_workers_ask(db: None) -> None:
    found = TaskListener()
    found.wait(0.01)
    assert not found.is_listening


@pytest.mark.postgresql
def test_behind_a_pooler_nothing_is_listened_to(transactional_db: None, settings: Settings) -> None:
    settings.PREPARED = False
    found = TaskListener()
    found.start()
    assert not found.is_listening


def work() -> list[str]:
    """Let a worker do all there is; its queries, without those of its sign of life and of transactions."""
    with CaptureQueriesContext(connection) as captured:
        call_command("db_worker", batch=True, startup_delay=False, verbosity=0)
    ours = [query["sql"] for query in captured if "taskworker" not in query["sql"].lower()]
    return [sql for sql in ours if not sql.startswith(("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE", "PRAGMA"))]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_a_followed_push_takes_few_queries(rockets: Project) -> None:
    """Eight: to take the task, look at the project, lock the pushes, find webhooks, three marks, and one that the task is done."""
    user = UserFactory.create(username="pusher")
    Project.objects.update(size_is_due=True, size_measured_at="2100-01-01T00:00:00Z")
    without = len(work())
    for _ in range(3):
        event = PushEvent.objects.create(project=rockets, gl_repository=f"project-{rockets.pk}", user=user)
        follow_push.enqueue(event.pk, "")
        queries = work()
        assert len(queries) - without <= 8, "\n".join(queries)
    assert not PushEvent.objects.filter(followed_at=None).exists()
    assert set(DBTaskResult.objects.values_list("status", flat=True)) == {"SUCCESSFUL"}


@pytest.mark.django_db(transaction=True)
def test_tasks_are_taken_by_priority_and_time_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []
    monkeypatch.setattr(type(follow_push), "call", lambda self, number, *rest: ran.append(number))
    for number, priority in enumerate((0, 10, -10, 10)):
        follow_push.using(priority=priority).enqueue(number, "")
    work()
    assert ran == [1, 3, 0, 2]
    assert {len(task.worker_ids) for task in DBTaskResult.objects.all()} == {1}
    assert {task.return_value for task in DBTaskResult.objects.all()} == {None}


@pytest.mark.django_db(transaction=True)
def test_a_task_that_fails_is_marked_as_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise ValueError("no")

    monkeypatch.setattr(type(follow_push), "call", fail)
    follow_push.enqueue(1, "")
    work()
    failed = DBTaskResult.objects.get()
    assert (failed.status, failed.exception_class_path) == (TaskResultStatus.FAILED, "builtins.ValueError")


def test_who_was_told_to_stop_does_not_begin_anew_when_the_database_goes_away(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A task fails by a deadlock or a lost connection after the signal: the next life has none."""
    lives: list[str] = []

    def ends_by_a_lost_connection(worker: Worker) -> None:
        lives.append(worker.worker_id)
        assert len(lives) == 1, "it goes on, and nobody tells it again"
        worker.running_task = True
        os.kill(os.getpid(), signal.SIGTERM)
        raise OperationalError

    monkeypatch.setattr(Worker, "was_told_to_stop", False)
    monkeypatch.setattr(Worker, "run", ends_by_a_lost_connection)
    before = {number: signal.getsignal(number) for number in _TOLD_BY}
    try:
        call_command("db_worker", "--no-startup-delay")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert len(lives) == 1


def read_only_error() -> DatabaseError:
    """What the database says to a write while it can only be read."""
    error = InternalError("cannot execute UPDATE in a read-only transaction")
    error.__cause__ = psycopg.errors.ReadOnlySqlTransaction()
    return error


@pytest.mark.django_db(transaction=True)  # between two lives it closes the connection
@pytest.mark.parametrize("is_ours", [False, True], ids=["read-only", "a fault of ours"])
def test_a_worker_outlives_a_database_that_can_only_be_read(monkeypatch: pytest.MonkeyPatch, *, is_ours: bool) -> None:
    """A statement that the database refuses for another reason ends it: nothing would get better by itself."""
    lives: list[str] = []

    def fails_once(worker: Worker) -> None:
        lives.append(worker.worker_id)
        if len(lives) == 1:
            raise ProgrammingError if is_ours else read_only_error()

    monkeypatch.setattr(Worker, "was_told_to_stop", False)
    monkeypatch.setattr(Worker, "run", fails_once)
    monkeypatch.setattr(command, "PAUSE", 0.0)
    before = {number: signal.getsignal(number) for number in _TOLD_BY}
    try:
        if is_ours:
            with pytest.raises(ProgrammingError):
                call_command("db_worker", "--no-startup-delay")
        else:
            call_command("db_worker", "--no-startup-delay")
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert len(lives) == (1 if is_ours else 2)


def test_a_signal_between_two_lives_holds_for_the_second(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Worker, "was_told_to_stop", True)
    worker = Worker(
        queue_names=["*"],
        interval=0.01,
        batch=False,
        backend_name="default",
        startup_delay=False,
        max_tasks=None,
        worker_id="second",
        excluded_queue_names=[],
    )
    monkeypatch.setattr(worker, "_run_next", lambda _: pytest.fail("it takes a task"))
    worker.run()
