"""`db_worker` with several processes: real ones, on a real database."""

import json
import os
import shutil
import signal
from collections.abc import Iterator

import psycopg
import pytest

from benchmarks.processes import tree
from tests.live.service import Service, temporary_directory
from tests.receiver import receiving
from tests.servers import START_SECONDS, wait_until

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
ZEROS = "0" * 40


@pytest.fixture
def service() -> Iterator[Service]:
    directory = temporary_directory()
    found = Service(directory, variables={"WORKER_PROCESSES": "3", "WEBHOOK_ALLOWED_TARGETS": "127.0.0.0/8"})
    yield found
    found.stop()
    shutil.rmtree(directory, ignore_errors=True)


def workers(service: Service) -> dict[str, int]:
    """The process ids of the workers that are known to be alive, by their names."""
    with psycopg.connect(service.environment["DATABASE_URL"]) as connection:
        return dict(connection.execute("SELECT worker_id, pid FROM internal_api_taskworker").fetchall())


def test_several_processes_share_the_work_are_replaced_and_end_together(service: Service) -> None:
    """One is killed while pushes are followed. Told to stop, as systemd tells: each process, and the first passes it on."""
    with receiving() as receiver:
        service.seed(
            {
                "storages": [{"name": "default"}],
                "users": [{"id": 7, "username": "ann", "email": "ann@example.com"}],
                "groups": [{"path": "acme", "webhooks": [{"url": receiver.url}]}],
                "projects": [{"id": number, "path": f"acme/p{number}", "members": {"ann": "developer"}} for number in range(1, 21)],
            }
        )
        service.start()
        worker = service.start_worker()
        wait_until(lambda: len(workers(service)) == 3, "three workers")
        first = set(workers(service).values())
        assert first | {worker.pid} == set(tree(worker.pid))
        token = service.shell_token()

        def push(project: int, number: int) -> None:
            changes = f"{ZEROS} {project * 100 + number:040x} refs/heads/topic"
            values = {"identifier": "user-7", "gl_repository": f"project-{project}", "changes": changes}
            assert service.ask("post_receive", values, token=token).status == 200

        for project in range(1, 21):
            push(project, 1)
        os.kill(min(first), signal.SIGKILL)
        for project in range(1, 21):
            push(project, 2)
        wait_until(lambda: len({received.body["after"] for received in receiver.received}) == 40, "every webhook")
        wait_until(lambda: len(set(workers(service).values()) - {min(first)}) == 3, "another worker in the place of the killed one")
        for pid in tree(worker.pid)[::-1]:
            os.kill(pid, signal.SIGTERM)
        assert worker.wait(START_SECONDS) == 0
    assert set(workers(service).values()) <= {min(first)}, "those that ended are forgotten at once, the killed one later"
    lines = [json.loads(line) for line in (service.directory / "workers.log").read_text().splitlines()]
    assert any("has ended with signal 9; another starts in 0 s" in line["message"] for line in lines)
    assert not any("terminating" in line["message"] for line in lines), "the same stop, told twice, ends no task"


def test_workers_that_wait_for_their_database_can_be_stopped(service: Service) -> None:
    service.environment["DATABASE_URL"] = service.environment["DATABASE_URL"].rsplit("/", 1)[0] + "/no_such_database"
    worker = service.start_worker()
    log = service.directory / "workers.log"
    wait_until(lambda: log.exists() and log.read_text().count("trying again") >= 3, "workers that wait for their database")
    worker.terminate()
    assert worker.wait(START_SECONDS) == 0
