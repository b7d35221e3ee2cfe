"""Gitaly, the database and Redis that are stopped in the middle of their work: they accept connections and never answer.

The tests check that what is promised happens at all; `make chaos` prints how long it took.
"""

import os
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

import pytest

from repositories.policy.repository_path import relative_path
from tests.gitaly_server import FakeGitaly, running
from tests.live.service import ROOT
from tests.live.test_faults import COMPANY, FORCE, PAUSE, PULL, Load, query, serving
from tests.public_keys import ED25519
from tests.servers import PostgreSQL, Redis, answers, free_port, wait_until

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
THREADS = 8
TOKEN = "gitaly token"
GUARD = 300.0
"""Seconds after which a test that hangs fails; what is promised is less, and printed."""


@dataclass
class Timed:
    """What some requests were answered, and after how many seconds."""

    answers: list[tuple[int, float]] = field(default_factory=list)

    def add(self, ask: Callable[[], int]) -> int:
        began = time.monotonic()
        status = ask()
        self.answers.append((status, time.monotonic() - began))
        return status

    @property
    def statuses(self) -> set[int]:
        return {status for status, _ in self.answers}

    def longest(self, *statuses: int) -> float:
        """The longest wait for an answer with one of the statuses, or with any."""
        return max((seconds for status, seconds in self.answers if not statuses or status in statuses), default=0.0)

    def __str__(self) -> str:
        seconds = [one for _, one in self.answers]
        told = {status: sum(1 for each, _ in self.answers if each == status) for status in sorted(self.statuses)}
        return f"{told} p50 {statistics.median(seconds or [0]):.2f} s max {self.longest():.2f} s"


@contextmanager
def stopped(*pids: int) -> Iterator[None]:
    """Let processes be stopped, as a machine that swaps or a disk that hangs stops them."""
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@contextmanager
def gitaly_process(root: Path) -> Iterator[tuple[str, int]]:
    """The tests' Gitaly in a process of its own: its address and process id."""
    port = free_port()
    command = [sys.executable, "-m", "tests.gitaly_server", "--listen", f"127.0.0.1:{port}", "--root", str(root), "--token", TOKEN]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        wait_until(lambda: answers(port), "Gitaly")
        yield f"tcp://127.0.0.1:{port}", process.pid
    finally:
        process.kill()
        process.wait(GUARD)


def two_commits(bare: Path, work: Path) -> tuple[str, str]:
    """Push two commits to a bare repository's branch; the second one descends from the first."""

    def git(*arguments: str) -> str:
        who = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        done = subprocess.run(["git", *arguments], cwd=work, check=True, capture_output=True, text=True, env={**os.environ, **who})
        return done.stdout.strip()

    work.mkdir()
    git("init", "--quiet", "--initial-branch=main")
    found = []
    for number in range(2):
        git("commit", "--quiet", "--allow-empty", "-m", f"commit {number}")
        found.append(git("rev-parse", "HEAD"))
    git("push", "--quiet", str(bare), "main")
    return found[0], found[1]


def get(port: int, path: str) -> int:
    """The status of a page that anyone may read; 0 without an answer."""
    with closing(HTTPConnection("127.0.0.1", port, timeout=GUARD)) as connection:
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, HTTPException):
            return 0


def processes_of(cluster: PostgreSQL) -> list[int]:
    """The postmaster and all that it has started, the postmaster first: it must not notice that the others stop."""
    postmaster = int((cluster.directory / "data" / "postmaster.pid").read_text().split()[0])
    return [postmaster, *(int(pid) for pid in Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split())]


@contextmanager
def asking_on(clients: int, ask: Callable[[], int]) -> Iterator[Timed]:
    """Clients that ask over and over while the block runs, and what they were answered in the end."""
    finished, timed = threading.Event(), Timed()

    def work() -> None:
        while not finished.wait(PAUSE):
            timed.add(ask)

    with ThreadPoolExecutor(clients) as pool:
        try:
            clients_at_work = [pool.submit(work) for _ in range(clients)]
            yield timed
        finally:
            finished.set()
    for one in clients_at_work:
        one.result()


def company(slow: str, other: str) -> dict[str, Any]:
    """Two projects with protected branches, and two storages."""
    project = COMPANY["projects"][0]
    storages = {"default": slow, "other": other}
    return {
        **COMPANY,
        "storages": [{"name": name, "gitaly_address": url, "gitaly_token": TOKEN} for name, url in storages.items()],
        "projects": [project, {**project, "id": 2, "path": "acme/boats"}],
    }


def protected_push(gitaly: FakeGitaly, project_id: int, storage: str, work: Path, **project: str) -> dict[str, Any]:
    """An update of a protected branch that Gitaly is asked about, and that may go on."""
    old, new = two_commits(gitaly.make(relative_path(project_id, "project"), storage), work)
    return {**FORCE, "changes": f"{old} {new} refs/heads/main", **project}


@dataclass
class Watched:
    """What became of those who do something else while pushes wait for a Gitaly."""

    load: Load
    bystanders: Timed = field(default_factory=Timed)
    elsewhere: Timed = field(default_factory=Timed)
    livez: Timed = field(default_factory=Timed)

    def ask(self, path: str, values: dict[str, Any] | None = None) -> int:
        # Each thread has a Load of its own: its counters are not for several.
        return Load(self.load.port, self.load.token).ask(path, values)[0]

    def once(self, push_elsewhere: dict[str, Any]) -> None:
        """A pull, a look-up of a key, a push to another storage and a health check."""
        self.bystanders.add(lambda: self.ask("allowed", PULL))
        self.bystanders.add(lambda: self.ask(f"authorized_keys?key={ED25519.split()[1]}"))
        self.elsewhere.add(lambda: self.ask("allowed", push_elsewhere))
        self.livez.add(lambda: get(self.load.port, "/livez"))


def test_a_stopped_gitaly_stops_nothing_but_its_own_pushes(tmp_path: Path) -> None:
    """Three times as many pushes as threads wait for it; everybody else is served (contract: decisions 23a)."""
    with (
        gitaly_process(tmp_path / "slow") as (address, pid),
        running(tmp_path / "other", token=TOKEN) as other,
        serving(workers=1, WEB_THREADS=str(THREADS)) as (service, load),
    ):
        other.storages = ("other",)
        service.seed(company(address, other.address))
        move = "UPDATE repositories_project SET storage_id = (SELECT id FROM repositories_storage WHERE name = 'other') WHERE id = 2"
        query(service.environment["DATABASE_URL"], move)
        push = protected_push(FakeGitaly(tmp_path / "slow"), 1, "default", tmp_path / "work1")
        push_elsewhere = protected_push(other, 2, "other", tmp_path / "work2", project="acme/boats")
        pushes, refused, watched = Timed(), Timed(), Watched(load)
        assert [watched.ask("allowed", push), watched.ask("allowed", push_elsewhere)] == [200, 200]
        with stopped(pid):
            with ThreadPoolExecutor(3 * THREADS) as pool:
                waiting = [pool.submit(pushes.add, lambda: watched.ask("allowed", push)) for _ in range(3 * THREADS)]
                while not all(one.done() for one in waiting):
                    watched.once(push_elsewhere)
            for _ in range(5):
                refused.add(lambda: watched.ask("allowed", push))
        began = time.monotonic()
        wait_until(lambda: watched.ask("allowed", push) == 200, "a push after Gitaly went on", GUARD)
        well_again = time.monotonic() - began
        surplus = sorted(seconds for _, seconds in pushes.answers)[: -THREADS // 2]
        load.tell(
            "Gitaly stopped, three pushes a thread",
            pushes=pushes,
            surplus=f"{max(surplus):.2f} s at most",
            pulls_and_keys=watched.bystanders,
            pushes_elsewhere=watched.elsewhere,
            livez=watched.livez,
            then_refused=refused,
            well_again=f"{well_again:.2f} s",
            load=os.getloadavg()[0],
        )
        assert pushes.statuses == refused.statuses == {503}
        assert watched.bystanders.statuses == watched.elsewhere.statuses == watched.livez.statuses == {200}
        assert len(watched.bystanders.answers) > 2 * THREADS, "they were served while the pushes waited"
        assert max(surplus) < pushes.longest(), "those without a place were refused before the others gave up"


@pytest.mark.parametrize("pool_size", ["0", "4"])
def test_a_stopped_database_is_told_and_found_again(cluster: PostgreSQL, pool_size: str) -> None:
    """Every caller has a 503, health checks are answered throughout, and it is well again by itself."""
    report = {"identifier": "user-7", "gl_repository": "project-1", "changes": f"{'0' * 40} {'a' * 40} refs/heads/b1"}
    with serving(workers=1, WEB_THREADS=str(THREADS), DATABASE_POOL_SIZE=pool_size) as (_, load):
        watched = Watched(load)
        with asking_on(THREADS, lambda: watched.ask("allowed", PULL)):
            time.sleep(1)  # each thread has a connection
        with stopped(*processes_of(cluster)):
            began = time.monotonic()
            with (
                asking_on(2 * THREADS, lambda: watched.ask("allowed", PULL)) as pulls,
                asking_on(4, lambda: watched.ask(f"authorized_keys?key={ED25519.split()[1]}")) as keys,
                asking_on(4, lambda: watched.ask("post_receive", report)) as reports,
                asking_on(1, lambda: get(load.port, "/livez")) as livez,
            ):
                time.sleep(12)
            hung = time.monotonic() - began
        began = time.monotonic()
        wait_until(lambda: watched.ask("allowed", PULL) == 200, "a pull after the database went on", GUARD)
        well_again = time.monotonic() - began
        with asking_on(THREADS, lambda: watched.ask("allowed", PULL)) as afterwards:
            time.sleep(1)
        load.tell(
            f"Database stopped for {hung:.0f} s, pool of {pool_size}",
            pulls=pulls,
            keys=keys,
            reports=reports,
            livez=livez,
            well_again=f"{well_again:.2f} s",
            load=os.getloadavg()[0],
        )
        assert pulls.statuses == keys.statuses == reports.statuses == {503}
        assert livez.statuses == {200}
        assert len(livez.answers) > 1, "it was answered while the database was stopped"
        assert afterwards.statuses == {200}


def test_a_stopped_redis_costs_a_moment() -> None:
    """Pulls and pushes are answered, and it is not waited for by everybody."""
    redis = Redis()
    redis.start()
    try:
        with serving(workers=1, REDIS_URL=redis.url) as (service, load):
            service.seed({"instance": {"gitlab_shell_operation_limit": 100_000}})
            watched = Watched(load)
            begin = {"gl_repository": "project-1"}
            assert watched.ask("pre_receive", begin) == 200
            assert redis.process is not None
            with (
                stopped(redis.process.pid),
                asking_on(THREADS, lambda: watched.ask("allowed", PULL)) as pulls,
                asking_on(2, lambda: watched.ask("pre_receive", begin)) as pushes,
                asking_on(1, lambda: get(load.port, "/livez")) as livez,
            ):
                time.sleep(6)
                assert load.ask("check")[1]["redis"] is False
            began = time.monotonic()
            wait_until(lambda: load.ask("check")[1]["redis"], "Redis after it went on", GUARD)
            well_again = time.monotonic() - began
            load.tell("Redis stopped", pulls=pulls, pushes=pushes, livez=livez, well_again=f"{well_again:.2f} s", load=os.getloadavg()[0])
            assert pulls.statuses == pushes.statuses == livez.statuses == {200}
    finally:
        redis.stop()
