"""Redis is optional in operation: away, stopped, full or read-only, pulls and pushes go on, and monitoring is told."""

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from internal_api.shared_store import StoreState
from internal_api.shared_store.redis import RedisStore
from tests.deployment.redis_servers import SERVICE, Certificates, Sentinels, client, watched_pair
from tests.live.service import ROOT, Service, temporary_directory
from tests.live.test_faults import PULL, ZEROS, Load, serving
from tests.servers import START_SECONDS, PostgreSQL, Redis, free_port, wait_until

pytestmark = pytest.mark.deployment


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", server.url)
        yield server
    server.remove()


@pytest.fixture(scope="module")
def site(cluster: PostgreSQL) -> Iterator[tuple[Redis, Service, Load]]:
    """A service of one process, whose view of Redis is the only one, with a Redis of its own."""
    server = Redis()
    server.start()
    try:
        with serving(workers=1, REDIS_URL=server.url) as (service, load):
            yield server, service, load
    finally:
        server.stop()


def page(service: Service, path: str) -> tuple[int, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", service.port, timeout=START_SECONDS)) as connection:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()


def readiness(service: Service) -> tuple[int, str, str]:
    status, body = page(service, "/readyz")
    found: dict[str, Any] = json.loads(body)
    return status, found["status"], found["shared_store"]


def fallbacks(service: Service) -> dict[str, float]:
    """How often each use went on without Redis, over all processes."""
    found = re.findall(r'^internal_api_redis_fallbacks_total\{use="(\w+)"\} (\S+)$', page(service, "/metrics")[1], re.MULTILINE)
    return {use: float(number) for use, number in found}


def push(load: Load, number: int) -> None:
    """A push as Gitaly and GitLab Shell ask for it, each step of which is answered 200."""
    change = f"{ZEROS} {number:040x} refs/heads/b{number}"
    request_id = uuid.uuid4().hex
    assert load.ask("allowed", {**PULL, "action": "git-receive-pack", "changes": change}, request_id)[0] == 200
    assert load.ask("pre_receive", {"gl_repository": "project-1"}, request_id) == (200, {"reference_counter_increased": True})
    report = {"identifier": "user-7", "gl_repository": "project-1", "changes": change}
    status, answer = load.ask("post_receive", report, request_id)
    assert (status, answer["reference_counter_decreased"]) == (200, True)


@contextmanager
def away(server: Redis) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@contextmanager
def stopped(server: Redis) -> Iterator[None]:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


@contextmanager
def full(server: Redis) -> Iterator[None]:
    with closing(client(server)) as asked:
        asked.config_set("maxmemory-policy", "noeviction")
        asked.config_set("maxmemory", "1mb")
        try:
            yield
        finally:
            asked.config_set("maxmemory", "0")


@contextmanager
def replica_of_another(server: Redis) -> Iterator[None]:
    with closing(client(server)) as asked:
        asked.replicaof("127.0.0.1", str(free_port()))
        try:
            yield
        finally:
            asked.replicaof("NO", "ONE")


_numbers = iter(range(1, 1_000_000))


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (away, StoreState.UNREACHABLE),
        (stopped, StoreState.UNREACHABLE),
        (full, StoreState.FULL),
        (replica_of_another, StoreState.READ_ONLY),
    ],
)
def test_pulls_and_pushes_go_on_and_monitoring_is_told(
    site: tuple[Redis, Service, Load], fault: Callable[[Redis], Any], state: StoreState
) -> None:
    server, service, load = site
    wait_until(lambda: readiness(service) == (200, "ok", "ready"), "the shared store")
    client(server).flushdb()
    forget = "from internal_api.models import SharedValue; SharedValue.objects.all().delete()"  # what the fault before has left
    service.manage("shell", "-v0", "-c", forget)
    push(load, next(_numbers))
    before = fallbacks(service)
    load.statuses.clear()
    with fault(server):
        for _ in range(10):
            assert load.pull() == 200
            push(load, next(_numbers))
        assert readiness(service) == (200, "degraded", state.value)
        assert load.ask("check")[1]["redis"] is False
        assert set(load.statuses) == {200}
        counted = fallbacks(service)
        assert counted["reference_counter"] >= before.get("reference_counter", 0) + 10, "at least the beginning of each push"
        told = service.manage("doctor", "--json", code=1)
        (finding,) = [finding for finding in json.loads(told) if finding["name"] == "shared store"]
        assert finding["level"] == "problem"
    wait_until(lambda: readiness(service) == (200, "ok", "ready"), "the shared store, again")
    push(load, next(_numbers))
    # A command that was sent to a Redis that then stopped is carried out when it goes on: one push is counted twice, for ten minutes.
    assert int(client(server).get("git-receive-pack-reference-counter:project-1") or 0) <= (fault is stopped)
    load.tell(f"Redis {fault.__name__}", fallbacks=counted, load=os.getloadavg()[0])


def test_a_push_that_began_before_the_fault_ends_after_it(site: tuple[Redis, Service, Load]) -> None:
    """Counted in one store and ended in the other: no counter stays."""
    server, service, load = site
    wait_until(lambda: readiness(service) == (200, "ok", "ready"), "the shared store")
    client(server).flushdb()
    with full(server):
        assert load.ask("pre_receive", {"gl_repository": "project-1"})[1] == {"reference_counter_increased": True}
    wait_until(lambda: readiness(service) == (200, "ok", "ready"), "the shared store, again")
    assert load.ask("post_receive", {"gl_repository": "project-1", "changes": ""})[1]["reference_counter_decreased"] is True
    assert service.manage("shell", "-v", "0", "-c", COUNTERS) == "0\n"


COUNTERS = """
import os; os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.base")
from repositories.services.reference_counters import pushes_under_way
print(pushes_under_way("project-1"))
"""


def test_a_failover_of_sentinels_under_load_refuses_nothing(cluster: PostgreSQL) -> None:
    """The primary is killed, later another is chosen while both are alive: every pull and push is answered 200."""
    with watched_pair() as (sentinels, primary, replica), serving(REDIS_URL=sentinels.url) as (service, load):
        assert readiness(service) == (200, "ok", "ready")

        def step() -> None:
            load.pull()
            push(load, next(_numbers))

        with load.going(3, step):
            wait_until(lambda: load.statuses[200] > 40, "some answers")
            primary.stop()
            wait_until(lambda: sentinels.primary_port() == replica.port, "the failover")
            wait_until(lambda: readiness(service) == (200, "ok", "ready"), "the new primary")
            first = fallbacks(service)
            primary.options = ("--replicaof", f"127.0.0.1 {replica.port}")
            primary.start()
            sentinels.wait_until_known()
            wait_until(lambda: client(primary).info("replication")["master_link_status"] == "up", "replication")
            sentinels.fail_over()
            wait_until(lambda: client(primary).info("replication")["role"] == "master", "the second failover")
            wait_until(lambda: client(replica).info("replication")["role"] == "slave", "the demotion")
            enough = load.statuses[200] + 60
            wait_until(lambda: load.statuses[200] > enough, "some more answers")
            wait_until(lambda: readiness(service) == (200, "ok", "ready"), "the second new primary")
        load.tell("Failover of sentinels", after_the_first=first, after_the_second=fallbacks(service), load=os.getloadavg()[0])
        assert set(load.statuses) == {200}
        # Ends of pushes that the former primary had not passed on are lost with it, as its beginnings are: for ten minutes.
        counter = "git-receive-pack-reference-counter:project-1"
        before = int(client(primary).get(counter) or 0)
        assert load.ask("pre_receive", {"gl_repository": "project-1"})[1] == {"reference_counter_increased": True}
        assert int(client(primary).get(counter) or 0) == before + 1, "counted by the new primary"


def test_tls_is_checked_against_the_authority_and_the_name(tmp_path: Path) -> None:
    """To Redis itself, and to sentinels and the Redis that they name."""
    ours, theirs = Certificates(tmp_path / "ours"), Certificates(tmp_path / "theirs")
    for certificates in (ours, theirs):
        certificates.directory.mkdir()
        certificates.make()
    server = Redis("--port", "0", *(part for name, value in ours.settings.items() for part in (f"--{name}", value)))
    server.options += ("--tls-port", str(server.port))
    options = [f"{name} {value}" for name, value in ours.settings.items()] + ["tls-replication yes"]
    sentinels = Sentinels(server, options=options, tls=True)
    try:
        server.start()
        sentinels.start(1)
        hosts = {
            f"rediss://localhost:{server.port}/0": ours.authority,
            f"rediss://127.0.0.1:{server.port}/0": ours.authority,
            f"rediss+sentinel://localhost:{sentinels.ports[0]}/{SERVICE}": ours.authority,
        }
        for url, authority in hosts.items():
            assert RedisStore(f"{url}?ssl_ca_certs={authority}").state() is StoreState.READY, url
            assert RedisStore(f"{url}?ssl_ca_certs={theirs.authority}").state() is StoreState.UNREACHABLE, url
        assert RedisStore(f"rediss://127.0.0.2:{server.port}/0?ssl_ca_certs={ours.authority}").state() is StoreState.UNREACHABLE
        assert RedisStore(f"redis://localhost:{server.port}/0").state() is StoreState.UNREACHABLE, "no TLS"
    finally:
        sentinels.stop()
        server.stop()


def test_an_unsupported_address_refuses_to_start_with_one_sentence() -> None:
    directory = temporary_directory()
    service = Service(directory, variables={"REDIS_URL": "sentinel://:hunter2@127.0.0.1/primary", "LOG_FORMAT": "text"})
    command = [sys.executable, "-m", "gunicorn", "-c", str(ROOT / "settings" / "gunicorn.py"), "settings.wsgi"]
    done = subprocess.run(command, cwd=ROOT, env=service.environment, capture_output=True, text=True, check=False, timeout=START_SECONDS)
    told = "Not started: REDIS_URL must begin with redis://, rediss://, unix://, redis+sentinel:// or rediss+sentinel://."
    assert done.returncode == 3
    assert done.stderr.count(told) == 1
    assert "Traceback" not in done.stderr
    assert "hunter2" not in done.stderr
