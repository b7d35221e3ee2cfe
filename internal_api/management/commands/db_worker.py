"""The worker: `manage.py db_worker`, as many side by side as one likes."""

import logging
import socket
import time
from argparse import ArgumentParser, ArgumentTypeError
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError
from django.db import DatabaseError, InterfaceError, OperationalError, connection, connections
from django.utils.crypto import get_random_string
from django_tasks_db.management.commands import db_worker
from django_tasks_db.models import DBTaskResult

from internal_api import tracing, worker_metrics, worker_metrics_port
from internal_api.acting import ActorKind
from internal_api.exception_handler import is_read_only
from internal_api.management.operator import ExampleCommand
from internal_api.task_context import running_task
from internal_api.task_worker import Worker as QuickWorker
from internal_api.worker_processes import WorkerProcesses
from internal_api.workers import heartbeat

logger = logging.getLogger(__name__)
PAUSE = 1.0


def _positive(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ArgumentTypeError(f"must be a number of at least 1, not {text!r}")
    return int(text)


class Worker(QuickWorker):
    """A worker that counts its tasks, and whose lines about a task have the id of the request that the task comes from."""

    def run_task(self, db_task_result: DBTaskResult) -> None:  # type: ignore[type-arg]  # generic for mypy only, not at run time
        with running_task(db_task_result):
            began = time.monotonic()
            super().run_task(db_task_result)
            worker_metrics.observe_task(db_task_result, time.monotonic() - began)


def _passes(error: DatabaseError | InterfaceError) -> bool:
    """Whether an error is one of the database's state, which ends, and not of what was asked."""
    return isinstance(error, OperationalError | InterfaceError) or is_read_only(error)


def _metrics_port() -> socket.socket | None:
    try:
        return worker_metrics_port.listen()
    except OSError as error:
        where = f"{settings.WORKER_METRICS_HOST}, port {settings.WORKER_METRICS_PORT}"
        raise CommandError(f"WORKER_METRICS_PORT: cannot listen on {where}: {error.strerror or error}") from error


db_worker.Worker = Worker  # type: ignore[misc]  # which the command below makes


class Command(ExampleCommand, db_worker.Command):
    """`db_worker`: the queue package's own, known to be alive, sweeping after dead colleagues.

    It outlives a restart of the database, and a time in which that can only be read.
    """

    actor_kind = ActorKind.WORKER
    help = "Do what follows after pushes: activity, webhooks. Several may run side by side."

    def add_arguments(self, parser: ArgumentParser) -> None:
        super().add_arguments(parser)
        told = "side by side; default: WORKER_PROCESSES, 1 with SQLite, --batch or --max-tasks"
        parser.add_argument("--processes", type=_positive, help=told)
        parser.set_defaults(queue_name="*", worker_id=None)

    def handle(self, *, worker_id: str | None, batch: bool, **options: Any) -> None:
        processes: int | None = options.pop("processes", None)
        ends_by_itself = batch or options["max_tasks"] is not None
        if processes is None:
            processes = 1 if ends_by_itself or connection.vendor == "sqlite" else settings.WORKER_PROCESSES
        port = None if ends_by_itself else _metrics_port()  # beside one that goes on, whose port it is
        if processes == 1:
            self._work(worker_id, 0, port, batch=batch, **options)
            return
        connections.close_all()

        def work(position: int) -> None:
            self._work(worker_id and f"{worker_id}-{position}", position, port, batch=batch, **options)

        WorkerProcesses(processes, work, worker_metrics.note_end).run()

    def _work(self, worker_id: str | None, position: int, port: socket.socket | None, *, batch: bool, **options: Any) -> None:
        """Be one worker, until told to stop, and answer Prometheus on the port meanwhile."""
        tracing.start()
        if port is not None:
            worker_metrics_port.serve(port)
        while not QuickWorker.was_told_to_stop:
            # Each life has a name of its own: a task that a lost connection left RUNNING belongs to no living worker then.
            name = worker_id or get_random_string(32)
            try:
                with heartbeat(name, partial(worker_metrics.note_life, position)):
                    super().handle(worker_id=name, batch=batch, **options)
                return
            except (DatabaseError, InterfaceError) as error:
                if batch or not _passes(error):
                    raise
                logger.warning("The database is away or can only be read; trying again: %s", error)
                connection.close()
                if not QuickWorker.was_told_to_stop:
                    time.sleep(PAUSE)
