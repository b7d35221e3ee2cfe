"""Every ref that moved has one event and one webhook, whatever failed meanwhile (contract: decisions 16b). docs/reliability.md.

Real git pushes through hooks that call as Gitaly's do, over a proxy that loses reports, while the database restarts and stops,
and workers are killed. What happened is asked of git: its reference-transaction hook writes down each move.
"""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from repositories.policy.repository_path import relative_path
from tests.gitaly_server import running
from tests.live.hook_client import install
from tests.live.proxy import Proxy, running_proxy
from tests.live.service import Program, Service, temporary_directory
from tests.live.test_faults import workers_of
from tests.live.test_webhooks import start_worker
from tests.public_keys import ED25519
from tests.receiver import Receiver, receiving
from tests.servers import START_SECONDS, PostgreSQL, wait_until

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
PUSHES, LANES = int(os.environ.get("CHAOS_PUSHES", "100")), 4
TRIES = 300
REPOSITORY = "project-1"


@dataclass
class Site:
    """The service with all that a push meets."""

    service: Service
    proxy: Proxy
    receiver: Receiver
    bare: Path
    moves: Path
    cluster: PostgreSQL | None
    worker: Program
    pause: float = 0.3
    """Seconds before a refused push is tried again."""
    done: int = 0
    refused: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def rows(self, sql: str) -> list[Any]:
        url = self.service.environment["DATABASE_URL"]
        if url.startswith("sqlite"):
            connection = sqlite3.connect(url.removeprefix("sqlite:///"), timeout=30)
            try:
                return connection.execute(sql).fetchall()
            finally:
                connection.close()
        with psycopg.connect(url.replace("postgres://", "postgresql://"), autocommit=True) as server:
            return server.execute(sql.encode()).fetchall()

    def number(self, sql: str) -> int:
        return int(self.rows(f"SELECT count(*) FROM {sql}")[0][0])  # noqa: S608  our own words

    def counter(self) -> int:
        """Pushes that `/allowed` counted and no report has taken back."""
        key = f"git-receive-pack-reference-counter:{REPOSITORY}"
        return int(sum(row[0] for row in self.rows(f"SELECT number FROM internal_api_sharedvalue WHERE key = '{key}'")))  # noqa: S608  ours

    def moved(self) -> list[tuple[str, ...]]:
        """Every move of a ref, as git has written it down."""
        lines = [line.split() for line in self.moves.read_text().splitlines()]
        return sorted(tuple(line) for line in lines if line[2].startswith("refs/"))

    def events(self) -> list[tuple[str, ...]]:
        """Every move of a ref, as push events tell it."""
        import json  # noqa: PLC0415  SQLite's driver gives text, PostgreSQL's gives values

        found = [row[0] for row in self.rows("SELECT changes FROM repositories_pushevent")]
        changes = [json.loads(one) if isinstance(one, str) else one for one in found]
        return sorted(tuple(line) for one in changes for line in one)

    def is_settled(self) -> bool:
        """Whether every push was reported or asked about, and every delivery was made."""
        waiting = self.number("repositories_pendingpush WHERE asked_at IS NULL")
        delivered = self.number("repositories_webhookdelivery WHERE state = 'delivered'")
        return waiting == 0 and delivered == len(self.events()) == len(self.moved())

    # --- what goes wrong -----------------------------------------------------------------------------------------------

    @contextmanager
    def database_away(self, seconds: float, *, crash: bool = False) -> Iterator[None]:
        """PostgreSQL is stopped for so long; of SQLite the file is locked."""
        if self.cluster is not None:
            self.cluster.stop(crash=crash)
            time.sleep(seconds)
            self.cluster.start()
        else:
            locking = sqlite3.connect(self.service.environment["DATABASE_URL"].removeprefix("sqlite:///"), timeout=30)
            locking.execute("BEGIN IMMEDIATE")
            time.sleep(seconds)
            locking.rollback()
            locking.close()
        yield

    def restart_database(self) -> None:
        with self.database_away(0.3, crash=True):
            self.faults["database restarted"] += 1

    def stop_database(self, seconds: float = 7) -> None:
        with self.database_away(seconds):
            self.faults[f"database away for {seconds:g} s"] += 1

    def kill_server(self) -> None:
        pids = workers_of(self.service)
        if pids:
            os.kill(random.choice(pids), signal.SIGKILL)  # noqa: S311  no secret
            self.faults["server process killed"] += 1

    def kill_worker(self) -> None:
        self.worker.kill()
        self.worker.wait()
        self.worker = start_worker(self.service)
        self.faults["worker killed"] += 1

    def stop_worker(self) -> None:
        self.worker.terminate()
        self.worker.wait(START_SECONDS)

    def swallow_report(self) -> None:
        self.proxy.swallow("post_receive", times=1)
        self.faults["report swallowed"] += 1

    def lose_answer(self) -> None:
        self.proxy.lose_answers("post_receive", times=1)
        self.faults["answer lost"] += 1

    def faults_at(self, plan: dict[int, list[Callable[[], None]]], finished: threading.Event) -> None:
        """Let each fault happen when so many pushes are done."""
        for number in sorted(plan):
            while self.done < number and not finished.wait(0.02):
                pass
            for fault in plan[number]:
                fault()

    # --- pushes ------------------------------------------------------------------------------------------------------------

    def push(self, lane: int, directory: Path, *specs: str, again: bool = True) -> None:
        """Push as somebody does who tries again until it works. A lane is one SSH connection: it has one request id."""
        environment = {**os.environ, "GL_ID": "key-11", "CORRELATION_ID": f"lane-{lane}", "HOME": str(directory)}
        command = ["git", "-C", str(directory), "push", "--quiet", str(self.bare), *specs]
        for _ in range(TRIES):
            accepted = subprocess.run(command, env=environment, check=False, capture_output=True).returncode == 0
            if accepted or not again:
                break
            with self.lock:
                self.refused += 1
            time.sleep(self.pause)
        assert accepted or not again, "a push is accepted in the end"
        with self.lock:
            self.done += 1

    def lane(self, number: int, pushes: int) -> None:
        """One person: branches and tags that come, move and go, the same ones again and again."""
        directory = self.service.directory / f"lane-{number}"
        first, second = commits(directory)
        branch, tag = f"refs/heads/lane-{number}", f"refs/tags/lane-{number}"
        cycle = [
            [f"{first}:{branch}"], [f"{second}:{branch}"], [f"{first}:{tag}"], [f"+{second}:{tag}"], [f"+{first}:{tag}"],
            [f":{branch}"], [f"{first}:{branch}", f"+{second}:{tag}"], [f":{branch}", f":{tag}"],
        ]  # fmt: skip
        for step in range(pushes):
            if step % 10 == 9:  # Git refuses one of two refs, and does not try that again
                self.push(number, directory, f"{first}:refs/heads/one-{number}-{step}", f"{first}:refs/heads/refused-{step}", again=False)
            else:
                self.push(number, directory, *cycle[(step - step // 10) % len(cycle)])


def commits(directory: Path) -> tuple[str, str]:
    """Two commits of a new repository."""
    subprocess.run(["git", "init", "--quiet", str(directory)], check=True)
    identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"]

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(directory), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, input="").stdout.strip()

    tree = git("mktree")
    first = git("commit-tree", "-m", directory.name, tree)
    return first, git("commit-tree", "-m", "second", "-p", first, tree)


def write_hook(bare: Path, name: str, text: str) -> None:
    script = bare / "hooks" / name
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)


@contextmanager
def site(cluster: PostgreSQL | None) -> Iterator[Site]:
    """A service, a worker, a Gitaly, a receiver of webhooks, a proxy, and a repository with Gitaly's hooks."""
    with ExitStack() as stack:
        receiver = stack.enter_context(receiving())
        directory = temporary_directory()
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        gitaly = stack.enter_context(running(directory / "storages", token="gitaly token"))
        variables = {
            "LOG_LEVEL": "WARNING", "PUSH_RECOVERY_AFTER": "2", "WORKER_DEAD_AFTER": "4", "WEBHOOK_ALLOWED_TARGETS": "127.0.0.0/8",
        }  # fmt: skip
        service = Service(directory, workers=2, variables=variables)
        service.migrate()
        bare = gitaly.make(relative_path(1, "project"))
        first, _ = commits(directory / "first")
        subprocess.run(["git", "-C", str(directory / "first"), "push", "--quiet", str(bare), f"{first}:refs/heads/main"], check=True)
        service.seed(
            {
                "instance": {"gitlab_shell_operation_limit": 0},
                "storages": [{"name": "default", "gitaly_address": gitaly.address, "gitaly_token": "gitaly token"}],
                "users": [{"id": 7, "username": "ann", "email": "ann@example.com", "keys": [{"id": 11, "key": ED25519}]}],
                "groups": [{"path": "acme", "webhooks": [{"url": receiver.url, "events": ["push", "tag_push"]}]}],
                "projects": [{"id": 1, "path": "acme/rockets", "members": {"ann": "maintainer"}}],
            }
        )
        service.start()
        stack.callback(service.stop)
        proxy = stack.enter_context(running_proxy(service.port))
        install(bare, proxy.url, service.shell_secret, REPOSITORY)
        moves = directory / "moves"
        moves.touch()
        write_hook(bare, "reference-transaction", f'[ "$1" = committed ] && exec cat >> {moves}\ncat > /dev/null')
        write_hook(bare, "update", 'case "$1" in refs/heads/refused-*) exit 1;; esac')
        found = Site(service, proxy, receiver, bare, moves, cluster, start_worker(service))
        stack.callback(found.stop_worker)
        yield found


def pushed_under(place: Site, pushes: int, plan: dict[int, list[Callable[[], None]]]) -> None:
    """Push in all lanes while the faults happen, and check what is there in the end."""
    started, finished = time.monotonic(), threading.Event()
    thread = threading.Thread(target=place.faults_at, args=(plan, finished))
    thread.start()
    with ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(place.lane, number, pushes // LANES) for number in range(LANES)]
    finished.set()
    thread.join()
    for lane in lanes:
        lane.result()
    seconds = time.monotonic() - started
    place.proxy.lift()
    with suppress(TimeoutError):  # the comparisons below say what is missing
        wait_until(place.is_settled, "the events of all pushes")
    moved, events = Counter(place.moved()), Counter(place.events())
    recovered = place.number("repositories_pushevent WHERE recovered")
    late = place.number("repositories_pushevent WHERE reported_late_at IS NOT NULL")
    faults = ", ".join(f"{number} x {name}" for name, number in sorted(place.faults.items()))
    sys.stdout.write(
        f"\n{place.done} pushes in {seconds:.0f} s at load {os.getloadavg()[0]:.0f} ({faults}): {place.refused} tries refused, "
        f"{moved.total()} refs moved, {events.total()} in events, {recovered} pushes recovered ({late} reported late)\n"
    )
    assert events == moved
    deliveries = Counter(received.headers["Idempotency-Key"] for received in place.receiver.received)
    assert place.number("repositories_webhookdelivery WHERE state = 'delivered'") == moved.total() == len(deliveries)
    wait_until(lambda: place.counter() == 0, "the reference counter at 0")  # taken back when noted pushes are asked about


@pytest.fixture(params=["postgresql", "sqlite"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """On a PostgreSQL of the test's own, with durability; or on SQLite, where a locked file stands for the stop."""
    monkeypatch.delenv("REDIS_URL", raising=False)
    if request.param == "sqlite":
        monkeypatch.delenv("DATABASE_URL", raising=False)
        with site(None) as found:
            yield found
        return
    cluster = PostgreSQL(fsync=True)
    cluster.start()
    monkeypatch.setenv("DATABASE_URL", cluster.url)
    try:
        with site(cluster) as found:
            yield found
    finally:
        cluster.remove()


def test_every_ref_that_moved_has_its_event_though_everything_fails(place: Site) -> None:
    """100 pushes in CI and 1,000 in `make chaos`: the faults come once for every hundred."""
    plan: dict[int, list[Callable[[], None]]] = {}
    for start in range(0, PUSHES, 100):
        plan |= {
            start + 8: [place.swallow_report, place.kill_server],
            start + 20: [place.restart_database if place.cluster else place.kill_worker],
            start + 32: [place.swallow_report, place.swallow_report, place.kill_worker],
            start + 45: [place.stop_database],
            start + 60: [place.kill_server, place.lose_answer],
            start + 75: [place.swallow_report, place.kill_server, place.kill_worker],
        }
    pushed_under(place, PUSHES, plan)
    assert place.faults["report swallowed"] >= 4
    assert place.number("repositories_pushevent WHERE recovered") > 0


def test_every_ref_that_moved_has_its_event_though_the_database_is_away_for_a_minute(place: Site) -> None:
    place.pause = 3  # people who wait for a minute, not a load
    pushed_under(place, 24, {8: [lambda: place.stop_database(60)]})
    assert place.faults["database away for 60 s"] == 1
