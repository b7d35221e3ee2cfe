"""The worker: `manage.py db_worker`, as many side by side as one likes."""

import logging
import time
from argparse import ArgumentParser
from typing import Any

from django.db import DatabaseError, InterfaceError, OperationalError, connection
from django.utils.crypto import get_random_string
from django_tasks_db.management.commands import db_worker
from django_tasks_db.models import DBTaskResult

from internal_api import tracing
from internal_api.acting import ActorKind
from internal_api.exception_handler import is_read_only
from internal_api.management.operator import ExampleCommand
from internal_api.task_context import running_task
from internal_api.task_worker import Worker as QuickWorker
from internal_api.workers import heartbeat

logger = logging.getLogger(__name__)
PAUSE = 1.0


class Worker(QuickWorker):
    """A worker whose lines about a task have the id of the request that the task comes from."""

    def run_task(self, db_task_result: DBTaskResult) -> None:  # type: ignore[type-arg]  # generic for mypy only, not at run time
        with running_task(db_task_result):
            super().run_task(db_task_result)


def _passes(error: DatabaseError | InterfaceError) -> bool:
    """Whether an error is one of the database's state, which ends, and not of what was asked."""
    return isinstance(error, OperationalError | InterfaceError) or is_read_only(error)


db_worker.Worker = Worker  # type: ignore[misc]  # which the command below makes


class Command(ExampleCommand, db_worker.Command):
    """`db_worker`: the queue package's own, known to be alive, sweeping after dead colleagues.

    It outlives a restart of the database, and a time in which that can only be read.
    """

    actor_kind = ActorKind.WORKER
    help = "Do what follows after pushes: activity, webhooks. Several may run side by side."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        parser.set_defaults(queue_name="*", worker_id=None)

    def handle(self, *, worker_id: str | None, batch: bool, **options: Any) -> None:
        tracing.start()
        while not QuickWorker.was_told_to_stop:
            # Each life has a name of its own: a task that a lost connection left RUNNING belongs to no living worker then.
            name = worker_id or get_random_string(32)
            try:
                with heartbeat(name):
                    super().handle(worker_id=name, batch=batch, **options)
                return
            except (DatabaseError, InterfaceError) as error:
                if batch or not _passes(error):
                    raise
                logger.warning("The database is away or can only be read; trying again: %s", error)
                connection.close()
                if not QuickWorker.was_told_to_stop:
                    time.sleep(PAUSE)
