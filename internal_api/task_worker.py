"""The queue package's worker, woken by PostgreSQL, and with what it asks for every task written as SQL.

The package's own takes 5 queries for a task, which Django builds anew each time: that costs more than what most tasks do.
"""

import json
import logging
import random
import time
from functools import partial
from types import FrameType
from typing import Any, TypeAlias

from django.db import OperationalError, close_old_connections, connection
from django.utils import timezone
from django_tasks.base import TaskResultStatus
from django_tasks_db.management.commands import db_worker
from django_tasks_db.models import DBTaskResult, get_date_max
from django_tasks_db.utils import exclusive_transaction, is_locked_database_exception

from internal_api.task_listener import TaskListener

logger = logging.getLogger("django_tasks_db")
Task: TypeAlias = "DBTaskResult[..., Any]"

_CLAIM = """
UPDATE django_tasks_database_dbtaskresult
SET status = 'RUNNING', started_at = %(now)s, worker_ids = worker_ids || to_jsonb(%(worker)s::text)
WHERE id = (
    SELECT id FROM django_tasks_database_dbtaskresult
    WHERE status = 'READY' AND backend_name = %(backend)s AND (run_after = %(at_once)s OR run_after <= %(now)s)
    ORDER BY priority DESC, run_after, enqueued_at LIMIT 1 FOR UPDATE SKIP LOCKED)
RETURNING id, status, enqueued_at, started_at, finished_at, args_kwargs, priority, task_path, worker_ids, queue_name, backend_name,
    run_after, return_value, exception_class_path, traceback"""
_SUCCEED = """
UPDATE django_tasks_database_dbtaskresult
SET status = 'SUCCESSFUL', finished_at = %(now)s, return_value = %(value)s::jsonb, exception_class_path = '', traceback = ''
WHERE id = %(id)s"""
_JSON = {"args_kwargs", "worker_ids", "return_value"}
_COLUMNS = [
    "id", "status", "enqueued_at", "started_at", "finished_at", "args_kwargs", "priority", "task_path", "worker_ids", "queue_name",
    "backend_name", "run_after", "return_value", "exception_class_path", "traceback",
]  # fmt: skip


SAME_STOP = 2.0
"""Seconds within which a second signal says the same as the first."""


class Worker(db_worker.Worker):
    """Takes a task with one statement, and marks it as done with another; waits to be woken where nothing is ready."""

    was_told_to_stop = False
    """Of the process: a signal holds for the worker that follows one whose database went away, too."""
    told_at = 0.0

    def shutdown(self, signum: int, frame: FrameType | None) -> None:
        """Take no further task; end at once where none is under way.

        Told a second time it ends its task, unless it is the same stop: systemd tells every process of a unit, and the first
        one passes it on.
        """
        now = time.monotonic()
        if Worker.was_told_to_stop and now < Worker.told_at + SAME_STOP:
            return
        Worker.was_told_to_stop, Worker.told_at = True, now
        super().shutdown(signum, frame)

    def run(self) -> None:
        """Run tasks until told to stop; the package's own loop, but for how tasks are taken and waited for."""
        logger.info("Starting worker worker_id=%s queues=%s", self.worker_id, ",".join(self.queue_names))
        listener = TaskListener()
        if not self.batch:
            listener.start()  # before the first look: what becomes ready after it is notified
            if self.startup_delay and self.interval:
                time.sleep(random.random())  # noqa: S311  spreads workers that start at once
        try:
            while self.running and not Worker.was_told_to_stop and self._run_next(listener):
                pass
        finally:
            listener.close()

    def _run_next(self, listener: TaskListener) -> bool:
        """Run the next task, or wait for one; whether to go on."""
        close_old_connections()
        task, looked = self._take()
        if task is not None:
            self.run_task(task)
        elif self.batch and looked:
            logger.info("No more tasks to run for worker_id=%s - exiting gracefully.", self.worker_id)
            return False
        if self.max_tasks is not None and self._run_tasks >= self.max_tasks:
            logger.info("Run maximum tasks (%d) on worker=%s - exiting gracefully.", self._run_tasks, self.worker_id)
            return False
        if self.running and task is None:
            listener.wait(self.interval)
        return True

    def _take(self) -> "tuple[Task | None, bool]":
        """Take the next task that is ready; whether the queue could be looked at."""
        if connection.vendor == "postgresql" and self.process_all_queues and not self.excluded_queue_names:
            return _claim(self.worker_id, self.backend_name), True
        return self._take_by_orm()

    def _take_by_orm(self) -> "tuple[Task | None, bool]":
        tasks = DBTaskResult.objects.ready().filter(backend_name=self.backend_name)
        if not self.process_all_queues:
            tasks = tasks.filter(queue_name__in=self.queue_names)
        if self.excluded_queue_names:
            tasks = tasks.exclude(queue_name__in=self.excluded_queue_names)
        try:
            with exclusive_transaction(tasks.db):
                task = tasks.get_locked()
                if task is not None:
                    task.claim(self.worker_id)
        except OperationalError as error:
            if not is_locked_database_exception(error):
                raise
            return None, False  # SQLite is being written to by somebody else
        return task, True


def _claim(worker: str, backend: str) -> "Task | None":
    with connection.cursor() as cursor:
        cursor.execute(_CLAIM, {"now": timezone.now(), "worker": worker, "backend": backend, "at_once": get_date_max()})
        row = cursor.fetchone()
    if row is None:
        return None
    values = [json.loads(value) if name in _JSON and value is not None else value for name, value in zip(_COLUMNS, row, strict=True)]
    task: Task = DBTaskResult.from_db("default", _COLUMNS, values)
    task.set_successful = partial(_succeed, task)  # what the package calls
    return task


def _succeed(task: "Task", return_value: Any) -> None:
    task.status, task.finished_at, task.return_value = TaskResultStatus.SUCCESSFUL, timezone.now(), return_value
    task.exception_class_path = task.traceback = ""
    with connection.cursor() as cursor:
        cursor.execute(_SUCCEED, {"now": task.finished_at, "value": json.dumps(return_value), "id": task.pk})
