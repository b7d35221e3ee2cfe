"""`make bench-worker`: CPU of a background worker for each followed push, and how long a push takes to reach its webhooks.

Pushes are reported to a real service on PostgreSQL, one after the other, and each is waited for, so that every push is a task
of its own. Their projects have no webhook, one, or three, in turns. A receiver in this process answers at once. Sizes were measured
within the minute, so no push asks Gitaly. Nothing is asserted: the figures are for people.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median, quantiles

from benchmarks.processes import cpu_seconds
from tests.live.service import ROOT, Service, temporary_directory
from tests.receiver import Received, Receiver, receiving
from tests.servers import START_SECONDS, connected

HOOKS = (0, 1, 3)
"""Webhooks of the groups whose projects are pushed to."""
PROJECTS = 10
PUSHES = int(os.environ.get("PUSHES", "200"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
ZEROS = "0" * 40
WARM_UP = 30


@dataclass
class Arrivals:
    """When each push, by its new revision, arrived at a webhook first and last."""

    first: dict[str, float] = field(default_factory=dict)
    number: dict[str, int] = field(default_factory=dict)

    def note(self, received: Received) -> None:
        now, revision = time.monotonic(), received.body["after"]
        self.first.setdefault(revision, now)
        self.number[revision] = self.number.get(revision, 0) + 1


def world(receiver: Receiver) -> dict[str, object]:
    """A group with projects for each number of webhooks."""
    numbers = range(1, PROJECTS + 1)
    hooks = {group: [{"url": f"{receiver.url}&hook={n}", "token": "a webhook's token"} for n in range(group)] for group in HOOKS}
    return {
        "storages": [{"name": "default"}],
        "users": [{"id": 7, "username": "ann", "email": "ann@example.com"}],
        "groups": [{"path": f"hooks{group}", "webhooks": hooks[group]} for group in HOOKS],
        "projects": [
            {"id": group * 100 + n, "path": f"hooks{group}/p{n}", "members": {"ann": "developer"}} for group in HOOKS for n in numbers
        ],
    }


@contextmanager
def serving(receiver: Receiver) -> Iterator[Service]:
    """The service with these projects, whose webhooks lead to the receiver."""
    directory = temporary_directory()
    service = Service(directory, variables={"WEBHOOK_ALLOWED_TARGETS": "127.0.0.0/8"})
    service.seed(world(receiver))
    service.start()
    try:
        yield service
    finally:
        service.stop()
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def working(service: Service) -> Iterator[subprocess.Popen[bytes]]:
    """One worker, with a log file as it has in production."""
    profile = ["-m", "cProfile", "-o", os.environ["PROFILE"]] if "PROFILE" in os.environ else []
    command = [
        sys.executable,
        *profile,
        str(ROOT / "manage.py"),
        "db_worker",
        "--no-startup-delay",
        "--processes",
        os.environ.get("PROCESSES", "1"),
    ]
    with (service.directory / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, env=service.environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        yield worker
    finally:
        worker.terminate()
        worker.wait(START_SECONDS)


class Bench:
    """Pushes one after the other, to the projects of one group at a time."""

    def __init__(self, service: Service, arrivals: Arrivals) -> None:
        self.service, self.arrivals = service, arrivals
        self.token = service.shell_token()
        self.number = 0
        cluster, name = service.environment["DATABASE_URL"].rsplit("/", 1)
        self.database = connected(f"{cluster}/", name)

    def push(self, hooks: int) -> float:
        """Report a push and wait until all is done; milliseconds from the report to the first webhook, 0 without any."""
        self.number += 1
        revision = f"{self.number:040x}"
        values = {
            "identifier": "user-7",
            "gl_repository": f"project-{hooks * 100 + 1 + self.number % PROJECTS}",
            "changes": f"{ZEROS} {revision} refs/heads/topic",
        }
        began = time.monotonic()
        answer = self.service.ask("post_receive", values, token=self.token)
        if answer.status != 200:  # noqa: PLR2004  HTTP's
            raise RuntimeError(f"post_receive answered {answer.status}: {answer.body}")
        deadline = time.monotonic() + START_SECONDS
        while not self._is_done(revision, hooks):
            if time.monotonic() > deadline:
                raise TimeoutError(f"push {self.number} was not followed")
            time.sleep(0.005)
        return (self.arrivals.first[revision] - began) * 1000 if hooks else 0.0

    def _is_done(self, revision: str, hooks: int) -> bool:
        if self.arrivals.number.get(revision, 0) < hooks:
            return False
        done = "SELECT NOT EXISTS (SELECT FROM django_tasks_database_dbtaskresult WHERE status IN ('READY', 'RUNNING'))"
        row = self.database.execute(done).fetchone()
        return row is not None and bool(row[0])

    def rest(self) -> None:
        """Let all projects be measured already."""
        self.database.execute("UPDATE repositories_project SET size_is_due = true, size_measured_at = now() + interval '1 hour'")


def main() -> None:
    """Print a line for each round and number of webhooks, and one for each number of webhooks over all rounds."""
    arrivals = Arrivals()
    with receiving() as receiver:
        receiver.before = arrivals.note
        with serving(receiver) as service:
            bench = Bench(service, arrivals)
            bench.rest()
            with working(service) as worker:
                for hooks in HOOKS:
                    for _ in range(WARM_UP):
                        bench.push(hooks)
                _measure(bench, worker)


def _measure(bench: Bench, worker: "subprocess.Popen[bytes]") -> None:
    costs: dict[int, list[float]] = {hooks: [] for hooks in HOOKS}
    waits: dict[int, list[float]] = {hooks: [] for hooks in HOOKS}
    sys.stdout.write(f"{'webhooks':>8} {'CPU ms a push':>14} {'p50 ms':>8} {'p99 ms':>8} {'load':>6}\n")
    for _ in range(ROUNDS):
        for hooks in HOOKS:
            before = cpu_seconds(worker.pid)
            found = [bench.push(hooks) for _ in range(PUSHES)]
            costs[hooks].append((cpu_seconds(worker.pid) - before) / PUSHES * 1000)
            waits[hooks] += found
            sys.stdout.write(_line(str(hooks), costs[hooks][-1], found))
    for hooks in HOOKS:
        sys.stdout.write(_line(f"all {hooks}", median(costs[hooks]), waits[hooks]))


def _line(name: str, cost: float, waits: list[float]) -> str:
    hundredths = quantiles(waits, n=100)
    return f"{name:>8} {cost:14.2f} {hundredths[49]:8.1f} {hundredths[98]:8.1f} {os.getloadavg()[0]:6.1f}\n"


if __name__ == "__main__":
    main()
