"""Nodes are stopped and started one by one, as an upgrade does it, while people log in, pull and push: nothing is refused."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.deployment.fleet import Fleet, fleet_behind_haproxy, restart_one_by_one
from tests.live.service import ROOT, Service, temporary_directory
from tests.live.test_deployment import start_nginx
from tests.live.test_faults import COMPANY, PULL, pushed, query
from tests.servers import START_SECONDS, PostgreSQL, answers, connected, free_port, wait_until

pytestmark = pytest.mark.deployment
ROUNDS = int(os.environ.get("CHAOS_ROUNDS", "1"))
"""How often every node is restarted; `make chaos` does it more often."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[PostgreSQL]:
    server = PostgreSQL()
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", server.url)
        yield server
    server.remove()


def told_by(log: Path) -> str:
    """What a balancer says of its servers, for whoever reads the failure."""
    return "".join(line for line in log.read_text().splitlines(keepends=True) if "HTTP/1.1" not in line)


def test_a_rolling_restart_with_a_migration_refuses_nothing(cluster: PostgreSQL) -> None:
    """Three nodes behind HAProxy with the shipped file, clients that keep their connections."""
    with fleet_behind_haproxy(DRAIN_SECONDS="5") as (fleet, balancer):
        load = fleet.load(balancer.port)
        longest, url = 0.0, fleet.nodes[0].environment["DATABASE_URL"]
        with load.going():
            for number in range(ROUNDS):
                query(url, f"ALTER TABLE accounts_user ADD COLUMN later_{number} integer")
                longest = max(longest, restart_one_by_one(fleet, balancer))
        load.tell(
            "Rolling restart behind HAProxy", rounds=ROUNDS, pushes=load.pushes, longest_stop=f"{longest:.1f} s", load=os.getloadavg()[0]
        )
        assert load.failures == [], told_by(balancer.log)
        assert load.answers > 200
        assert len(pushed(url)) == load.pushes


@pytest.fixture
def node(cluster: PostgreSQL) -> Iterator[Service]:
    """One node that drains for as long as a test needs."""
    directory = temporary_directory()
    service = Service(directory, workers=2, variables={"DRAIN_SECONDS": "600"})
    service.seed(COMPANY)
    service.start()
    wait_until(lambda: ask(service, "/readyz")[0] == 200, "the node")
    yield service
    assert service.process is not None
    service.process.kill()
    service.process.wait()
    shutil.rmtree(directory, ignore_errors=True)


def ask(service: Service, path: str, connection: HTTPConnection | None = None) -> tuple[int, str, str | None]:
    """The status, the body and what is said of the connection, a new one unless it is given."""
    asked = connection or HTTPConnection("127.0.0.1", service.port, timeout=START_SECONDS)
    asked.request("GET", path, headers={"Gitlab-Shell-Api-Request": service.shell_token()})
    response = asked.getresponse()
    told = response.status, response.read().decode(), response.getheader("Connection")
    if connection is None:
        asked.close()
    return told


def begun(service: Service) -> socket.socket:
    """A request of which the second half is yet to come; some worker's thread waits for it."""
    connection = socket.create_connection(("127.0.0.1", service.port), START_SECONDS)
    body = json.dumps(PULL).encode()
    head = f"POST /api/v4/internal/allowed HTTP/1.1\r\nHost: unix\r\nGitlab-Shell-Api-Request: {service.shell_token()}\r\n"
    connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:10])
    return connection


def test_a_node_that_is_told_to_stop_says_so_and_serves_until_it_does(node: Service) -> None:
    """SIGTERM: not ready at once; everything else as ever, each answer the last one on its connection; the second SIGTERM ends it."""
    assert node.process is not None
    with closing(HTTPConnection("127.0.0.1", node.port, timeout=START_SECONDS)) as kept, closing(begun(node)) as half:
        assert ask(node, "/livez", kept)[::2] == (200, "keep-alive")
        node.process.terminate()
        wait_until(lambda: ask(node, "/readyz")[0] == 503, "the refusal of further requests")
        assert all(json.loads(ask(node, "/readyz")[1])["status"] == "draining" for _ in range(10)), "every process says it"
        assert ask(node, "/api/v4/internal/discover?username=ann", kept)[::2] == (200, "close")
        for _ in range(10):
            assert ask(node, "/livez")[0] == 200
            assert node.ask("allowed", PULL).status == 200
        node.process.terminate()
        wait_until(lambda: not answers(node.port), "the end")
        assert node.process.poll() is None, "a request is under way"
        half.sendall(json.dumps(PULL).encode()[10:])
        assert half.recv(65536).startswith(b"HTTP/1.1 200 OK")
        assert node.process.wait(START_SECONDS) == 0


def test_an_interrupt_stops_a_node_at_once(node: Service) -> None:
    assert node.process is not None
    node.process.send_signal(signal.SIGINT)
    assert node.process.wait(START_SECONDS) == 0


def before_the_latest_migrations() -> list[str]:
    """The commits before those that last changed the tables, the latest first; none where there is no such history."""
    command = ["git", "log", "-8", "--format=%P", "--", *(f":(glob){app}/migrations/0*.py" for app in APPS)]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout
    parents = [line.split()[0] for line in told.splitlines() if line.strip()]
    return [commit for commit in parents if subprocess.run(["git", "cat-file", "-e", commit], cwd=ROOT, check=False).returncode == 0]


APPS = ("accounts", "internal_api", "kubernetes_agent", "repositories", "scim", "storage_limits")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """The code as it was before the latest migration, or before an earlier one where two had one number for a while."""
    for commit in before_the_latest_migrations():
        directory = tmp_path / commit
        directory.mkdir()
        archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
        subprocess.run(["tar", "-x", "-C", str(directory)], input=archive, check=True)
        environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/plan.sqlite3", "VAR_DIR": str(tmp_path)}
        command = [sys.executable, "manage.py", "migrate", "--plan"]
        if subprocess.run(command, cwd=directory, env=environment, capture_output=True, check=False).returncode == 0:
            return directory
    pytest.skip("the history of this repository does not reach back to before the latest migration")


def test_a_rolling_upgrade_over_a_migration_refuses_nothing(cluster: PostgreSQL, earlier: Path) -> None:
    """As docs/deployment/upgrade-and-rollback.md has it: migrate while the former code serves, then node after node; and back again."""
    with connected(cluster.url) as connection:
        connection.execute("CREATE DATABASE upgraded")
    url = cluster.url.rsplit("/", 1)[0] + "/upgraded"
    with fleet_behind_haproxy(root=earlier, DATABASE_URL=url, DRAIN_SECONDS="5") as (fleet, balancer):
        load = fleet.load(balancer.port)
        drains = (earlier / "settings" / "draining.py").exists()
        with load.going():
            answered = load.answers
            subprocess.run(
                [sys.executable, "manage.py", "migrate", "--verbosity", "0"], cwd=ROOT, env=fleet.nodes[0].environment, check=True
            )
            restart_one_by_one(fleet, balancer, lambda node: setattr(node, "root", ROOT), by_hand=not drains)
            upgraded = load.answers
            restart_one_by_one(fleet, balancer, lambda node: setattr(node, "root", earlier))
        load.tell(
            "Rolling upgrade and rollback", answers_before=answered, answers_upgraded=upgraded, pushes=load.pushes, load=os.getloadavg()[0]
        )
        assert load.failures == [], told_by(balancer.log)
        assert len(pushed(url)) == load.pushes


def test_behind_nginx_a_rolling_restart_refuses_nothing(cluster: PostgreSQL) -> None:
    """A node that refuses connections is passed over: nginx asks none whether it is ready."""
    fleet = Fleet(DRAIN_SECONDS="2")
    directory = fleet.directory / "nginx"
    directory.mkdir()
    inner = free_port()
    nginx = None
    try:
        fleet.start()
        for node in fleet.nodes:
            wait_until(lambda node=node: ask(node, "/readyz")[0] == 200, "a node")
        nginx = start_nginx(
            directory, directory / "unused", inner, free_port(), upstream=[f"127.0.0.1:{node.port}" for node in fleet.nodes]
        )
        load = fleet.load(inner)
        with load.going():
            for _ in range(ROUNDS):
                for node in fleet.nodes:
                    node.stop()
                    node.start()
                    wait_until(lambda node=node: ask(node, "/readyz")[0] == 200, "a node")
        load.tell("Rolling restart behind nginx", rounds=ROUNDS, pushes=load.pushes, load=os.getloadavg()[0])
        assert load.failures == [], (directory / "nginx.log").read_text()[-2000:]
        assert len(pushed(fleet.nodes[0].environment["DATABASE_URL"])) == load.pushes
    finally:
        if nginx is not None:
            nginx.terminate()
            nginx.wait(START_SECONDS)
        fleet.stop()
