"""Faults in the middle of the work: what is lost, what is wrong, and how the service comes back. docs/reliability.md promises by these."""

import http.client
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import psycopg
import pytest

from tests.live.service import Service, temporary_directory
from tests.live.test_deployment import start_nginx
from tests.public_keys import ED25519
from tests.servers import START_SECONDS, PostgreSQL, Redis, answers, free_port, wait_until

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
ZEROS = "0" * 40
PAUSE = 0.02
"""Seconds that a client waits before it asks again, or clients and service would take the whole machine from other tests."""
COMPANY: dict[str, Any] = {
    "instance": {"gitlab_shell_operation_limit": 0},
    "storages": [{"name": "default"}],
    "users": [{"id": 7, "username": "ann", "email": "ann@example.com", "keys": [{"id": 11, "key": ED25519}]}],
    "groups": [{"path": "acme"}],
    "projects": [
        {
            "id": 1,
            "path": "acme/rockets",
            "members": {"ann": "maintainer"},
            "protected_branches": [{"name": "main", "push": ["maintainer"], "merge": ["maintainer"]}],
        }
    ],
}
PULL = {"key_id": 11, "project": "acme/rockets", "action": "git-upload-pack", "changes": "_any", "protocol": "ssh"}
FORCE = {**PULL, "action": "git-receive-pack", "changes": f"{'a' * 40} {'b' * 40} refs/heads/main"}


@dataclass
class Load:
    """Requests of several clients, each on a connection of its own as the Go clients make them, and what they were told."""

    port: int
    token: str
    statuses: Counter[int] = field(default_factory=Counter)
    wrong: list[bytes] = field(default_factory=list)

    def ask(self, path: str, values: dict[str, Any] | None = None, request_id: str = "") -> tuple[int, Any]:
        """A status and a body; 0 when there was no answer."""
        headers = {
            "Content-Type": "application/json",
            "Gitlab-Shell-Api-Request": self.token,
            "Connection": "close",
            "X-Request-Id": request_id,
        }
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)) as connection:
            try:
                connection.request(
                    "GET" if values is None else "POST", f"/api/v4/internal/{path}", json.dumps(values) if values else None, headers
                )
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException):
                self.statuses[0] += 1
                return 0, None
        self.statuses[response.status] += 1
        try:
            return response.status, json.loads(body)
        except ValueError:
            self.wrong.append(body[:200])
            return response.status, None

    def pull(self) -> int:
        return self.ask("allowed", PULL)[0]

    def push(self, number: int, tries: int = 1) -> bool:
        """Report a push, again under the same id when there was no answer, as a proxy between may (Gitaly asks once); whether it was taken."""
        values = {"identifier": "user-7", "gl_repository": "project-1", "changes": f"{ZEROS} {number:040x} refs/heads/b{number}"}
        request_id = uuid.uuid4().hex
        for attempt in range(tries):
            status, _ = self.ask("post_receive", values, request_id)
            if status == 200:
                return True
            time.sleep(0.05 * (attempt + 1))
        return False

    @contextmanager
    def going(self, clients: int, step: Callable[[], Any]) -> Iterator[None]:
        """Have so many clients do something over and over while the block runs."""
        finished = threading.Event()

        def work() -> None:
            while not finished.wait(PAUSE):
                step()

        threads = [threading.Thread(target=work) for _ in range(clients)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            finished.set()
            for thread in threads:
                thread.join()

    def tell(self, what: str, **figures: object) -> None:
        """For `make chaos`."""
        told = {"answers": dict(sorted(self.statuses.items())), "not JSON": len(self.wrong), **figures}
        sys.stdout.write(f"\n{what}: " + ", ".join(f"{name} {value}" for name, value in told.items()) + "\n")


@contextmanager
def serving(workers: int = 2, **variables: str) -> Iterator[tuple[Service, Load]]:
    directory = temporary_directory()
    service = Service(directory, workers=workers, variables={"LOG_LEVEL": "WARNING", **variables})
    service.migrate()
    service.seed(COMPANY)
    service.start()
    try:
        yield service, Load(service.port, service.shell_token())
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)


def query(url: str, sql: str) -> Any:
    with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


def pushed(url: str) -> list[str]:
    """Which refs the push events are about, one text for each event."""
    return [row[0] for row in query(url, "SELECT changes->0->>2 FROM repositories_pushevent ORDER BY 1")]


def test_the_database_is_killed_and_comes_back_under_load(cluster: PostgreSQL) -> None:
    """Clear 503s meanwhile, recovery without a restart, and each push that was acknowledged is there once."""
    numbers = iter(range(1, 1_000_000))
    lock = threading.Lock()
    acknowledged: set[str] = set()

    with serving() as (service, load):

        def step() -> None:
            with lock:
                number = next(numbers)
            if load.push(number):
                acknowledged.add(f"refs/heads/b{number}")
            load.pull()

        with load.going(4, step):
            for _ in range(3):
                time.sleep(1)
                cluster.stop(crash=True)
                time.sleep(0.7)
                cluster.start()
            time.sleep(1)
        # Where each restart is bridged over, which ten seconds of waiting allow, nobody is told 503.
        assert {200} <= set(load.statuses) <= {200, 503}
        assert not load.wrong
        assert {load.pull() for _ in range(20)} == {200}
        events = pushed(service.environment["DATABASE_URL"])
        load.tell(
            "Database killed three times",
            acknowledged=len(acknowledged),
            lost=len(acknowledged - set(events)),
            twice=len(events) - len(set(events)),
        )
        assert acknowledged <= set(events)
        assert len(events) == len(set(events))
        unfollowed = "SELECT count(*) FROM repositories_pushevent"
        tasks = "SELECT count(*) FROM django_tasks_database_dbtaskresult"
        assert query(service.environment["DATABASE_URL"], unfollowed) == query(service.environment["DATABASE_URL"], tasks)


def test_redis_is_killed_and_comes_back() -> None:
    """Pulls and pushes go on; pushes are counted in the database meanwhile (contract: decisions 14 and 16a)."""
    redis = Redis()
    redis.start()
    try:
        with serving(REDIS_URL=redis.url) as (_, load):
            assert load.ask("pre_receive", {"gl_repository": "project-1"}) == (200, {"reference_counter_increased": True})
            redis.stop()
            assert {load.pull() for _ in range(50)} == {200}
            assert load.ask("pre_receive", {"gl_repository": "project-1"}) == (200, {"reference_counter_increased": True})
            assert load.ask("post_receive", {"gl_repository": "project-1", "changes": ""})[1]["reference_counter_decreased"] is True
            assert load.ask("check")[1]["redis"] is False
            redis.start()
            wait_until(lambda: load.ask("check")[1]["redis"], "the shared store")
            assert load.ask("pre_receive", {"gl_repository": "project-1"}) == (200, {"reference_counter_increased": True})
            load.tell("Redis killed")
            assert set(load.statuses) == {200}
    finally:
        redis.stop()


def workers_of(service: Service) -> list[int]:
    process = service.process
    assert process is not None
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def test_workers_are_killed_while_a_thousand_pushes_are_reported() -> None:
    """A caller that got no answer asks again under the same id; every push is there once."""
    chance = random.Random(7)  # noqa: S311  no secret
    with serving() as (service, load):
        finished = threading.Event()
        killed: list[int] = []

        def kill() -> None:
            while not finished.wait(chance.uniform(0.3, 0.9)):
                pids = workers_of(service)
                # A process that serves nothing yet is let be: on a busy machine starting takes longer than the pauses here.
                if len(pids) == service.workers and load.statuses[200] >= 20 * (len(killed) + 1):
                    os.kill(chance.choice(pids), signal.SIGKILL)
                    killed.append(1)

        killer = threading.Thread(target=kill)
        killer.start()
        with ThreadPoolExecutor(4) as pool:
            taken = list(pool.map(lambda number: load.push(number, tries=100), range(1, 1001)))
        finished.set()
        killer.join()
        events = pushed(service.environment["DATABASE_URL"])
        load.tell("gunicorn's workers killed", kills=len(killed), pushes=len(taken), events=len(events))
        assert all(taken)
        assert killed
        assert sorted(events) == sorted(f"refs/heads/b{number}" for number in range(1, 1001))


@pytest.mark.skipif(os.geteuid() != 0, reason="a small file system can be mounted by root only")
def test_the_disk_is_full_under_sqlite(monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is a 503 and leaves nothing; what need not be written goes on; room makes it well again."""
    monkeypatch.delenv("DATABASE_URL")
    disk = temporary_directory()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m,mode=0755", "tmpfs", str(disk)], check=True)
    try:
        with serving(workers=1, DATABASE_URL=f"sqlite:///{disk}/db.sqlite3") as (_, load):
            assert load.push(100_001)
            load.pull()
            ballast = disk / "ballast"
            with ballast.open("wb") as file:
                try:
                    while True:
                        file.write(b"x" * 65536)
                        file.flush()
                except OSError:
                    pass
            numbers = iter(range(1, 100_000))
            while load.push(next(numbers)):
                pass
            refused = load.statuses[503]
            assert {load.pull() for _ in range(20)} == {200}
            assert set(load.statuses) == {200, 503}
            ballast.unlink()
            assert load.push(next(numbers))
            load.tell("Disk full under SQLite", refused=refused)
            assert not load.wrong
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)
        shutil.rmtree(disk, ignore_errors=True)


def slow_client(port: int) -> socket.socket:
    """A connection with the beginning of a request."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.sendall(b"POST /api/v4/internal/allowed HTTP/1.1\r\nHost: unix\r\nContent-Length: 10000\r\n\r\n{")
    return connection


def test_five_hundred_slow_clients_keep_nobody_out() -> None:
    """Nginx takes them upon itself; the service sees whole requests only."""
    with serving() as (service, load):
        inner = free_port()
        socket_path = Path(service.directory) / "unused.sock"
        directory = temporary_directory()
        nginx = start_nginx(directory, socket_path, inner, free_port(), upstream=[f"127.0.0.1:{service.port}"])
        slow: list[socket.socket] = []
        try:
            slow += [slow_client(inner) for _ in range(500)]
            through = Load(inner, load.token)
            for _ in range(3):
                for number, connection in enumerate(slow):
                    try:
                        connection.sendall(b" ")
                    except OSError:  # a byte came later than nginx waits for one: the machine is busy
                        connection.close()
                        slow[number] = slow_client(inner)
                assert {through.pull() for _ in range(30)} == {200}
                time.sleep(1)
            through.tell("500 slow clients")
        finally:
            for connection in slow:
                connection.close()
            nginx.terminate()
            nginx.wait(START_SECONDS)
            shutil.rmtree(directory, ignore_errors=True)


def test_a_migration_runs_while_the_service_answers() -> None:
    """Statements are prepared; a column that changes under them costs one try more, and no answer."""
    with serving() as (service, load):
        url = service.environment["DATABASE_URL"]
        for _ in range(20):
            load.pull()
        with load.going(3, load.pull):
            time.sleep(0.5)
            query(url, "ALTER TABLE accounts_user ALTER COLUMN name TYPE text")
            time.sleep(0.5)
            query(
                url,
                "ALTER TABLE accounts_user ALTER COLUMN name TYPE varchar(255); ALTER TABLE accounts_user ADD COLUMN later integer",
            )
            service.manage("migrate", "internal_api", "0002", "--verbosity", "0")
            service.manage("migrate", "--verbosity", "0")
            time.sleep(0.5)
        load.tell("Migrations under load")
        assert set(load.statuses) == {200}


def test_the_clock_of_a_caller_is_a_minute_off() -> None:
    """Allowed 1.2: sixty seconds of leeway either way, and no more."""
    with serving(workers=1) as (service, load):
        secret = service.shell_secret.read_bytes().strip()
        for skew, status in ((-55, 200), (55, 200), (-130, 401), (130, 401)):
            now = int(time.time()) + skew
            claims = {"iss": "gitlab-shell", "iat": now, "nbf": now, "exp": now + 65}  # the rest is for a busy machine
            load.token = jwt.encode(claims, secret, algorithm="HS256")
            assert load.pull() == status, skew


def test_the_database_has_no_connection_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clear 503; as soon as there is one again, answers."""
    server = PostgreSQL(max_connections=12)
    server.start()
    monkeypatch.setenv("DATABASE_URL", server.url)
    taken: list[Any] = []
    try:
        with serving() as (service, load):
            try:
                while True:
                    taken.append(psycopg.connect(service.environment["DATABASE_URL"].replace("postgres://", "postgresql://")))
            except psycopg.OperationalError:
                pass
            assert len(taken) > 5
            statuses = {load.pull() for _ in range(10)}
            for connection in taken:
                connection.close()
            assert statuses == {503}
            wait_until(lambda: load.pull() == 200, "an answer")
            assert {load.pull() for _ in range(20)} == {200}
            load.tell("No connections left")
            assert not load.wrong
    finally:
        server.remove()


def test_nobody_listens_where_nothing_was_started() -> None:
    """The tests' own measure: a port without a service gives no answer."""
    load = Load(free_port(), "x")
    assert not answers(load.port)
    assert load.pull() == 0
