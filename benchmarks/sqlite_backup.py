"""`backup_database --verify` of a large SQLite database while the service answers and takes pushes. Run with `make bench-backup`.

ROWS is the number of rows of all growing tables together. One client looks keys up and one reports pushes, each as soon as it is
answered, without a backup and then during one. Nothing is asserted but that the copy is verified and each answer is 200.
"""

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.live.service import ROOT, Service

ROWS = int(os.environ.get("ROWS", "900000"))
QUIET_SECONDS = 20
AT_ONCE = 100_000
_NUMBERS = "WITH RECURSIVE numbers (n) AS (SELECT ? UNION ALL SELECT n + 1 FROM numbers WHERE n + 1 < ?)"
# The table, its share of the rows in ninths, and what a row is made of.
_TABLES = (
    (
        "repositories_webhookdelivery",
        4,
        "lane_id, push_event_id, position, event, ref, payload, idempotency_key, state, attempts, next_attempt_at, response_headers, response_body, error, created_at",
        """1, 1, n, 'push', '', '{"x": "' || hex(zeroblob(250)) || '"}', lower(hex(randomblob(16))), 'delivered', 1, datetime('now'), '{}', '', '', datetime('now')""",
    ),
    (
        "repositories_pushevent",
        2,
        "project_id, gl_repository, identifier, changes, push_options, gitaly_context, correlation_id, response, created_at, followed_at, recovered",
        "1, 'project-1', 'user-1', '[]', '{}', '{}', '', '{}', datetime('now'), datetime('now'), 0",
    ),
    (
        "django_tasks_database_dbtaskresult",
        2,
        "id, status, enqueued_at, args_kwargs, priority, task_path, worker_ids, queue_name, backend_name, run_after, exception_class_path, traceback",
        "lower(hex(randomblob(16))), 'SUCCESSFUL', datetime('now'), '{}', 0, 'x', '[]', 'default', 'default', '9999-01-01 00:00:00', '', ''",
    ),
    (
        "internal_api_auditevent",
        1,
        "created_at, action, actor_kind, author_name, credential, operation, entity_type, entity_id, entity_path, ip_address, correlation_id, changes, details",
        "datetime('now'), 'push', 'service', 'ann', '', 'POST /post_receive', 'Project', n, 'acme/rockets', '127.0.0.1', '', '{}', '{}'",
    ),
)
_COMPANY = {
    "storages": [{"name": "default"}],
    "users": [{"id": 1, "username": "ann"}],
    "groups": [{"path": "acme"}],
    "projects": [{"id": 1, "path": "acme/rockets", "members": {"ann": "owner"}, "webhooks": [{"url": "https://example.com/"}]}],
}


@dataclass
class _Client:
    """One that asks again as soon as it is answered."""

    ask: Callable[[], int]
    seconds: list[float] = field(default_factory=list)
    statuses: set[int] = field(default_factory=set)

    def run(self, ended: threading.Event) -> None:
        while not ended.is_set():
            started = time.perf_counter()
            self.statuses.add(self.ask())
            self.seconds.append(time.perf_counter() - started)

    def told(self) -> str:
        ordered = sorted(self.seconds)
        percentile = ordered[int(len(ordered) * 0.99)]
        times = [statistics.median(ordered), percentile, ordered[-1]]
        return f"{len(ordered)} answers {sorted(self.statuses)} | {' | '.join(f'{seconds * 1000:.0f} ms' for seconds in times)}"


def _fill(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("INSERT INTO repositories_deliverylane (id, webhook_id, project_id) SELECT 1, id, 1 FROM repositories_webhook")
        connection.execute(f"INSERT INTO repositories_pushevent (id, {_TABLES[1][2]}) SELECT 1, {_TABLES[1][3]}")
        for table, share, columns, values in _TABLES:
            number = ROWS * share // 9
            for first in range(2, number + 2, AT_ONCE):
                last = min(first + AT_ONCE, number + 2)
                connection.execute(f"{_NUMBERS} INSERT INTO {table} ({columns}) SELECT {values} FROM numbers", (first, last))  # noqa: S608  texts of this file
        connection.execute("ANALYZE")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


@contextmanager
def _clients(service: Service) -> Iterator[list[_Client]]:
    """Ask while the block runs."""
    report = {"gl_repository": "project-1", "identifier": "user-1", "changes": f"{'0' * 40} {'1' * 40} refs/heads/main\n"}
    token = service.shell_token()
    clients = [
        _Client(lambda: service.ask("discover?user_id=1", token=token).status),
        _Client(lambda: service.ask("post_receive", report, token=token).status),
    ]
    ended = threading.Event()
    threads = [threading.Thread(target=client.run, args=(ended,)) for client in clients]
    for thread in threads:
        thread.start()
    try:
        yield clients
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _tell(name: str, clients: list[_Client]) -> None:
    for client, what in zip(clients, ("/discover", "/post_receive"), strict=True):
        _say(f"| {name} | {what} | {client.told()} |")


def _command(service: Service, *arguments: str) -> str:
    """Run a command, and tell what it took."""
    started = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "manage.py"), *arguments], env=service.environment, cwd=ROOT, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if status:
        raise RuntimeError(f"{arguments} failed.")
    return f"{time.monotonic() - started:.0f} s, CPU {usage.ru_utime + usage.ru_stime:.0f} s, {usage.ru_maxrss / 1024:.0f} MB"


def measure(service: Service, directory: Path) -> None:
    """Serve without a backup, during one, and while it is verified."""
    database = directory / "db.sqlite3"
    _say(
        f"\n{ROWS} rows, {database.stat().st_size / 1e6:.0f} MB, load {os.getloadavg()[0]:.0f}\n\n| during | request | | p50 | p99 | most |\n|---|---|---|--:|--:|--:|"
    )
    with _clients(service) as clients:
        time.sleep(QUIET_SECONDS)
    _tell("nothing else", clients)
    with _clients(service) as clients:
        copied = _command(service, "backup_database", str(directory / "copy.sqlite3"))
        wal = (directory / "db.sqlite3-wal").stat().st_size
    _tell("`backup_database`", clients)
    with _clients(service) as clients:
        verified = _command(service, "backup_database", str(directory / "copy.sqlite3"), "--verify-only")
    _tell("`--verify-only`", clients)
    _say(f"\ncopied in {copied}; WAL then {wal / 1e6:.0f} MB\nverified in {verified}")


def main() -> None:
    """Print the figures."""
    directory = Path(os.environ.get("DIRECTORY", "var")).absolute() / "bench-backup"
    directory.mkdir(parents=True, mode=0o755)
    try:
        os.environ.pop("DATABASE_URL", None)
        service = Service(directory, is_preloaded=False)
        service.migrate()
        service.seed(_COMPANY)
        _fill(directory / "db.sqlite3")
        service.start()
        try:
            measure(service, directory)
        finally:
            service.stop()
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
