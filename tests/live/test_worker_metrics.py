"""A worker's own port for Prometheus: real processes, real HTTP."""

import os
import shutil
import signal
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.processes import tree
from tests.live.service import Program, Service, temporary_directory
from tests.receiver import receiving
from tests.servers import START_SECONDS, answers, free_port, wait_until

pytestmark = pytest.mark.live
ZEROS = "0" * 40
LAST_SEEN = "internal_api_worker_last_seen_timestamp_seconds"
Series = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    directory = temporary_directory()
    variables = {"WEBHOOK_ALLOWED_TARGETS": "127.0.0.0/8", "WORKER_METRICS_PORT": str(free_port()), "TMPDIR": str(tmp_path)}
    found = Service(directory, variables=variables)
    yield found
    found.stop()
    shutil.rmtree(directory, ignore_errors=True)


def port_of(service: Service) -> int:
    return int(service.environment["WORKER_METRICS_PORT"])


def page(service: Service) -> Series:
    """What the worker tells."""
    url = f"http://127.0.0.1:{port_of(service)}/metrics"
    with urllib.request.urlopen(url, timeout=START_SECONDS) as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        families = list(text_string_to_metric_families(response.read().decode()))
    return {(sample.name, frozenset(sample.labels.items())): sample.value for family in families for sample in family.samples}


def value(series: Series, name: str, **labels: str) -> float:
    return series.get((name, frozenset(labels.items())), 0.0)


def processes(series: Series) -> set[str]:
    """The positions of the processes that have been seen."""
    return {dict(labels)["process"] for name, labels in series if name == LAST_SEEN}


def seed(service: Service, url: str) -> None:
    service.seed(
        {
            "storages": [{"name": "default"}],
            "users": [{"id": 7, "username": "ann", "email": "ann@example.com"}],
            "groups": [{"path": "acme", "webhooks": [{"url": url}]}],
            "projects": [{"id": 1, "path": "acme/p", "members": {"ann": "developer"}}],
        }
    )


def push(service: Service, number: int) -> None:
    values = {"identifier": "user-7", "gl_repository": "project-1", "changes": f"{ZEROS} {number:040x} refs/heads/topic"}
    assert service.ask("post_receive", values).status == 200


@contextmanager
def working(service: Service) -> Iterator[Program]:
    """A worker whose port is open, and that ends in order."""
    worker = service.start_worker()
    try:
        wait_until(lambda: answers(port_of(service)), "the worker's port")
        log = service.directory / "workers.log"
        wait_until(lambda: "Starting worker" in log.read_text(), "the worker, which can be told to stop then")
        yield worker
        worker.terminate()
        assert worker.wait(START_SECONDS) == 0
    finally:
        worker.kill()
        worker.wait(START_SECONDS)


def test_tasks_deliveries_and_signs_of_life_are_told(service: Service, tmp_path: Path) -> None:
    with receiving() as receiver:
        receiver.answers = [500]
        service.migrate()
        seed(service, receiver.url)
        began = time.time()
        service.start()
        with working(service):
            push(service, 1)
            delivered = "internal_api_webhook_attempt_duration_seconds_count"
            wait_until(lambda: value(page(service), delivered, outcome="delivered") == 1, "the second attempt to be counted")
            told = page(service)
    assert value(told, delivered, outcome="failed") == 1
    assert value(told, "internal_api_task_duration_seconds_count", task="follow_push", outcome="succeeded") == 1
    assert value(told, "internal_api_task_wait_seconds_count", task="follow_push") == 1
    assert value(told, LAST_SEEN, process="0") >= began
    assert not any(name == "internal_api_request_duration_seconds_count" for name, _ in told), "which is the service's"
    service.stop()
    assert list(tmp_path.glob("metrics-*")) == [], "no directory is left behind"


@pytest.mark.postgresql
def test_any_process_answers_for_all_and_what_a_killed_one_counted_stays(service: Service) -> None:
    service.environment["WORKER_PROCESSES"] = "2"
    with receiving() as receiver:
        seed(service, receiver.url)
        service.start()
        with working(service) as worker:
            wait_until(lambda: processes(page(service)) == {"0", "1"}, "two processes")
            for number in range(1, 6):
                push(service, number)
            done = "internal_api_webhook_attempt_duration_seconds_count"
            wait_until(lambda: value(page(service), done, outcome="delivered") == 5, "all deliveries to be counted")
            for pid in set(tree(worker.pid)) - {worker.pid}:
                os.kill(pid, signal.SIGKILL)
            wait_until(lambda: value(page(service), "internal_api_worker_restarts_total", ended_by="signal") == 2, "both to be replaced")
            wait_until(lambda: processes(page(service)) == {"0", "1"}, "two processes again")
            assert value(page(service), done, outcome="delivered") == 5


def test_other_pages_and_methods_are_refused(service: Service) -> None:
    service.migrate()
    with working(service):
        for path, data, status in (("/", None, 404), ("/metrics/database", None, 404), ("/metrics", b"x", 501)):
            with pytest.raises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(f"http://127.0.0.1:{port_of(service)}{path}", data, timeout=START_SECONDS)
            with refused.value:
                assert refused.value.code == status
                assert refused.value.headers["Server"] == "metrics"
        with socket.create_connection(("127.0.0.1", port_of(service))) as slow:
            slow.sendall(b"GET /metr")
            assert processes(page(service)) == {"0"}, "half a request holds up nobody"


def test_addresses_outside_the_allowlist_hear_nothing(service: Service) -> None:
    service.environment["MONITORING_ALLOWLIST"] = "192.0.2.0/24"
    service.migrate()
    with working(service), socket.create_connection(("127.0.0.1", port_of(service)), timeout=START_SECONDS) as stranger:
        answer = b""
        with suppress(ConnectionError):  # closed before the request was read
            stranger.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            answer = stranger.recv(1)
        assert answer == b""


def test_a_port_that_is_taken_is_an_error_and_a_batch_needs_none(service: Service) -> None:
    service.migrate()
    with socket.create_server(("127.0.0.1", port_of(service))):
        failed = service.command("db_worker")
        assert failed.returncode == 1
        port = port_of(service)
        assert f"WORKER_METRICS_PORT: cannot listen on 127.0.0.1, port {port}: Address already in use" in failed.stderr
        assert service.command("db_worker", "--batch").returncode == 0


def test_off_by_default(service: Service) -> None:
    port = port_of(service)
    del service.environment["WORKER_METRICS_PORT"]
    service.migrate()
    worker = service.start_worker()
    try:
        log = service.directory / "workers.log"
        wait_until(lambda: log.exists() and "Starting worker" in log.read_text(), "the worker")
        assert not answers(port)
    finally:
        worker.terminate()
        worker.wait(START_SECONDS)
