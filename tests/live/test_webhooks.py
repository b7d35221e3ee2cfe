"""Workers that are killed again and again, a real receiver, real pushes: each is told at least once, and in its order."""

import os
import random
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from benchmarks.processes import peak_megabytes
from tests.live.service import Program, Service, temporary_directory
from tests.receiver import Receiver, receiving, slowly
from tests.servers import START_SECONDS, wait_until

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
PROJECTS, WORKERS, KILLS = 10, 3, 10
PUSHES = 1000 if "CHAOS_PUSHES" in os.environ else 300
"""A thousand in `make chaos`; each of the kills meets some of them in either case."""
WAITING_PUSHES, REFS_OF_EACH = int(os.environ.get("CHAOS_WAITING_PUSHES", "200")), 1000
ZEROS = "0" * 40


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


@pytest.fixture
def service(receiver: Receiver) -> Iterator[Service]:
    directory = temporary_directory()
    variables = {"WORKER_DEAD_AFTER": "2", "WEBHOOK_TIMEOUT": "2", "WEBHOOK_ALLOWED_TARGETS": "127.0.0.0/8", "LOG_LEVEL": "WARNING"}
    running = Service(directory, variables=variables)
    running.migrate()
    running.seed(
        {
            "storages": [{"name": "default"}],
            "users": [{"id": 7, "username": "ann", "email": "ann@example.com"}],
            "groups": [{"path": "acme", "webhooks": [{"url": receiver.url, "token": "the webhook token"}]}],
            "projects": [{"id": number, "path": f"acme/p{number}", "members": {"ann": "developer"}} for number in range(1, PROJECTS + 1)],
        }
    )
    running.start()
    yield running
    running.stop()
    shutil.rmtree(directory, ignore_errors=True)


def start_worker(service: Service) -> Program:
    return service.start_worker("--interval", "0.1", "--no-startup-delay")


@contextmanager
def workers(service: Service) -> Iterator[list[Program]]:
    """A few; those in the list at the end are stopped."""
    running = [start_worker(service) for _ in range(WORKERS)]
    try:
        yield running
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(START_SECONDS)


def push(service: Service, token: str, project: int, number: int) -> int:
    values = {
        "identifier": "user-7",
        "gl_repository": f"project-{project}",
        "changes": f"{ZEROS} {number:040x} refs/heads/topic",
    }
    return service.ask("post_receive", values, token=token).status


def count(service: Service, table: str, condition: str = "TRUE") -> int:
    return int(rows(service, f"SELECT count(*) FROM {table} WHERE {condition}")[0][0])  # noqa: S608  our own words


def rows(service: Service, sql: str) -> list[tuple[Any, ...]]:
    address = service.environment["DATABASE_URL"].replace("postgres://", "postgresql://")
    with psycopg.connect(address, autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def killing(service: Service, running: list[Program]) -> Iterator[list[int]]:
    """Kill one worker after the other while the block runs, and until there were enough; whom."""
    chance = random.Random(7)  # noqa: S311  no secret
    finished = threading.Event()
    killed: list[int] = []

    def kill() -> None:
        while len(killed) < KILLS or not finished.is_set():
            time.sleep(chance.uniform(0.4, 1.2))
            victim = chance.randrange(len(running))
            running[victim].kill()
            running[victim].wait()
            killed.append(running[victim].pid)
            running[victim] = start_worker(service)

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        finished.set()
        thread.join()


def in_order_of_arrival(receiver: Receiver) -> dict[int, list[int]]:
    """Each project's pushes, in the order in which they were first told."""
    found: dict[int, list[int]] = {}
    for received in receiver.received:
        numbers, number = found.setdefault(received.body["project_id"], []), int(received.body["after"], 16)
        if number not in numbers:
            numbers.append(number)
    return found


def test_every_push_is_told_at_least_once_and_in_order_though_workers_are_killed_at_random(service: Service, receiver: Receiver) -> None:
    token = service.shell_token()

    def push_to(project: int) -> set[int]:
        return {push(service, token, project, number) for number in range(1, PUSHES // PROJECTS + 1)}

    with workers(service) as running:
        with killing(service, running) as killed, ThreadPoolExecutor(4) as pool:
            statuses = set.union(*pool.map(push_to, range(1, PROJECTS + 1)))
        wait_until(
            lambda: count(service, "repositories_webhookdelivery", "state = 'delivered'") == PUSHES, "the last delivery", 2 * START_SECONDS
        )

    assert statuses == {200}
    assert count(service, "repositories_pushevent") == count(service, "repositories_pushevent", "followed_at IS NOT NULL") == PUSHES
    assert count(service, "repositories_webhookdelivery") == PUSHES
    assert in_order_of_arrival(receiver) == {project: list(range(1, PUSHES // PROJECTS + 1)) for project in range(1, PROJECTS + 1)}
    sys.stdout.write(f"{len(killed)} workers killed, {PUSHES} pushes, {len(receiver.received)} requests received\n")


def test_ten_thousand_deliveries_that_wait_for_a_slow_receiver_do_not_delay_a_push(service: Service, receiver: Receiver) -> None:
    receiver.before = slowly(1)
    token = service.shell_token()
    with workers(service):
        assert push(service, token, 1, 1) == 200
        wait_until(lambda: count(service, "repositories_webhookdelivery") == 1, "the first delivery")
        rows(
            service,
            "INSERT INTO repositories_webhookdelivery (position, event, ref, payload, idempotency_key, state, attempts, next_attempt_at,"
            " response_headers, response_body, error, created_at, lane_id, push_event_id)"
            " SELECT n, event, ref, payload, gen_random_uuid(), 'waiting', 0, now(), '{}', '', '', now(), lane_id, push_event_id"
            " FROM repositories_webhookdelivery, generate_series(1, 10000) n",
        )
        assert {push(service, token, project, number) for project in (1, 2) for number in range(2, 52)} == {200}
        # What follows a push is done first: the deliveries of all the others are owed by now, or soon, and still wait.
        wait_until(lambda: count(service, "repositories_pushevent", "followed_at IS NULL") == 0, "what follows the pushes")
        assert count(service, "repositories_webhookdelivery", "state = 'waiting'") > 9_900


def test_pushes_that_waited_for_a_worker_are_followed_in_bounded_memory_while_others_push(service: Service) -> None:
    """200 pushes of 1,000 refs in CI and 2,000 in `make chaos`: more need no more memory, and keep nobody waiting for a lock."""
    token = service.shell_token()
    assert push(service, token, 1, 1) == 200
    refs = f"SELECT jsonb_agg(jsonb_build_array('{ZEROS}', '{'a' * 40}', 'refs/heads/b' || n)) FROM generate_series(1, {REFS_OF_EACH}) n"  # noqa: S608  ours
    rows(
        service,
        "INSERT INTO repositories_pushevent (gl_repository, project_id, user_id, identifier, changes, push_options, gitaly_context,"  # noqa: S608  ours
        f" correlation_id, response, created_at, recovered) SELECT e.gl_repository, e.project_id, e.user_id, e.identifier, ({refs}),"
        f" '{{}}', '{{}}', '', '{{}}', now(), false FROM repositories_pushevent e, generate_series(1, {WAITING_PUSHES})",
    )
    worker = start_worker(service)
    began, waits, transactions = time.monotonic(), [0.0], [0.0]
    number = 2
    try:
        while count(service, "repositories_pushevent", f"followed_at IS NULL AND id <= {WAITING_PUSHES + 1}"):
            asked = time.monotonic()
            assert push(service, token, 1, number) == 200
            waits.append(time.monotonic() - asked)
            number += 1
            longest = "SELECT coalesce(max(extract(epoch FROM now() - xact_start)), 0) FROM pg_stat_activity WHERE state <> 'idle'"
            transactions.append(float(rows(service, f"{longest} AND pid <> pg_backend_pid() AND datname = current_database()")[0][0]))
            assert worker.poll() is None
            time.sleep(0.1)
        memory = peak_megabytes(worker.pid)
    finally:
        worker.terminate()
        worker.wait(START_SECONDS)
    sys.stdout.write(
        f"\n{WAITING_PUSHES} waiting pushes of {REFS_OF_EACH} refs followed in {time.monotonic() - began:.0f} s at load {os.getloadavg()[0]:.0f}: "
        f"{memory} MiB at most, longest transaction {max(transactions):.1f} s, {len(waits) - 1} reports meanwhile, the longest {max(waits):.2f} s\n"
    )
    assert memory < 400, "2,000 pushes at once were 1.4 GiB"
    assert count(service, "repositories_webhookdelivery", f"push_event_id <= {WAITING_PUSHES + 1}") == WAITING_PUSHES + 1
