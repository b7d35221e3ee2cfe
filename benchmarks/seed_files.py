"""`dump_seed` of a generated company, and `seed` of the file into an empty database, on a PostgreSQL of its own.

Run with `make bench-seed` (OPTIONS="--users 100000"). Each command is a process; the table tells its CPU, PostgreSQL's, the wall clock
and the most memory that the process had. Nothing is asserted but that the copy is what was dumped (`--check`).
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg

from benchmarks.dataset import Company, fill
from benchmarks.processes import ROOT, cpu_seconds
from tests.servers import PostgreSQL, create_database, migrated_template

# What a company has besides; every tenth project has deploy keys and webhooks.
_MORE: tuple[LiteralString, ...] = (
    """INSERT INTO accounts_extraemail (user_id, email)
       SELECT id, username || '@home.example.com' FROM accounts_user WHERE id %% 4 = 0""",
    """INSERT INTO accounts_personalaccesstoken (user_id, name, token_digest, scopes, expires_at, revoked, created_at)
       SELECT id, 'ci', encode(sha256(('token-' || id)::bytea), 'hex'), '["api"]'::jsonb, '2099-01-01', false, now()
       FROM accounts_user WHERE id %% 5 = 0""",
    """INSERT INTO accounts_sshkey (user_id, kind, title, key, key_type, bits, fingerprint, fingerprint_md5, usage_type, created_at, updated_at)
       SELECT (i - 1) %% %(users)s + 1, 'deploy_key', 'deploy ' || i, 'ssh-ed25519 ' || replace(encode(blob, 'base64'), E'\\n', ''),
            'ssh-ed25519', 256, rtrim(replace(encode(sha256(blob), 'base64'), E'\\n', ''), '='), md5(blob), 'auth', now(), now()
       FROM (SELECT i, '\\x0000000b7373682d6564323535313900000020'::bytea || sha256(('deploy' || i)::bytea) AS blob
             FROM generate_series(1, %(projects)s / 10) i) k""",
    """INSERT INTO repositories_deploykeygrant (key_id, project_id, can_push)
       SELECT id, (row_number() OVER (ORDER BY id)) * 10, id %% 2 = 0 FROM accounts_sshkey WHERE kind = 'deploy_key'""",
    """INSERT INTO repositories_webhook (project_id, url, push_events, tag_push_events, active, failures, switched_off_reason, instance,
            created_at)
       SELECT id, 'https://ci.example.com/hooks/' || id, true, false, true, 0, '', false, now() FROM repositories_project WHERE id %% 10 = 0""",
    """INSERT INTO repositories_grouplink (project_id, group_id, access_level)
       SELECT id, id %% %(groups)s + 1, 20 FROM repositories_project WHERE id %% 20 = 0""",
    """UPDATE repositories_project SET storage_size = id * 1000""",
    """UPDATE repositories_namespace SET storage_limit = 10000000000 WHERE parent_id IS NULL AND id %% 2 = 0""",
)


@dataclass(frozen=True, slots=True)
class Used:
    """What a command took: seconds of CPU, its own and PostgreSQL's, seconds of the wall clock, and MB of memory at most."""

    cpu: float
    database_cpu: float
    wall: float
    megabytes: float


class _Server:
    """A PostgreSQL with databases, and commands of the service on them."""

    def __init__(self, postgresql: PostgreSQL) -> None:
        if postgresql.process is None:
            raise RuntimeError("PostgreSQL does not run.")
        self._pid = postgresql.process.pid
        self.url = postgresql.url

    def url_of(self, database: str) -> str:
        return f"{self.url.rpartition('/')[0]}/{database}"

    def run(self, database: str, *arguments: str, output: Path | None = None) -> Used:
        """Run a command of manage.py. Raises RuntimeError when it fails."""
        environment = {
            **os.environ,
            "DATABASE_URL": self.url_of(database),
            "DJANGO_SETTINGS_MODULE": "settings.test",
            "LOG_LEVEL": "WARNING",
        }
        started, before = time.monotonic(), cpu_seconds(self._pid)
        out = os.open(output or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        actions = [(os.POSIX_SPAWN_DUP2, out, 1)]
        pid = os.posix_spawn(sys.executable, [sys.executable, str(ROOT / "manage.py"), *arguments], environment, file_actions=actions)
        os.close(out)
        _, status, usage = os.wait4(pid, 0)
        if status:
            raise RuntimeError(f"{' '.join(arguments)} failed with status {status}.")
        database_cpu = cpu_seconds(self._pid) - before
        return Used(usage.ru_utime + usage.ru_stime, database_cpu, time.monotonic() - started, usage.ru_maxrss / 1024)


@contextmanager
def _server() -> Iterator[_Server]:
    postgresql = PostgreSQL(fsync=True, empty=True)
    try:
        postgresql.start()
        yield _Server(postgresql)
    finally:
        postgresql.remove()


def _company(server: _Server, users: int) -> None:
    company = Company(users=users, groups=max(20, users // 20), projects=users // 2, agents=users // 10)
    create_database(server.url, "company", migrated_template(server.url))
    create_database(server.url, "copy", migrated_template(server.url))
    fill(server.url_of("company"), company)
    numbers = {"users": company.users, "groups": company.groups, "projects": company.projects}
    with psycopg.connect(server.url_of("company"), autocommit=True, cursor_factory=psycopg.ClientCursor) as connection:
        for statement in _MORE:
            connection.execute(statement, numbers)
        connection.execute("VACUUM ANALYZE")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _row(name: str, used: Used, users: int) -> None:
    cells = (
        f"{used.cpu:.1f} s",
        f"{used.cpu * 1000 / users:.2f} ms",
        f"{used.database_cpu:.1f} s",
        f"{used.wall:.0f} s",
        f"{used.megabytes:.0f} MB",
    )
    _say(f"| {name} | {' | '.join(cells)} |")


def measure(server: _Server, directory: Path, users: int, *, as_json: bool, check: bool) -> None:
    """Dump, load and load again, and print a row for each."""
    options = ["--json"] if as_json else []
    file = directory / ("state.json" if as_json else "state.yaml")
    dumped = server.run("company", "dump_seed", *options, output=file)
    load = os.getloadavg()[0]
    _say(f"\n{users} users, {users // 2} projects, a file of {file.stat().st_size / 1e6:.1f} MB, load {load:.0f} on {os.cpu_count()} cores")
    _say("\n| command | CPU | CPU a user | PostgreSQL's CPU | wall clock | memory |\n|---|--:|--:|--:|--:|--:|")
    _row(f"`dump_seed {' '.join(options)}`", dumped, users)
    _row("`seed`", server.run("copy", "seed", "--rows-only", str(file)), users)
    _row("`seed` again", server.run("copy", "seed", "--rows-only", str(file)), users)
    if check:
        again = directory / f"again{file.suffix}"
        server.run("copy", "dump_seed", *options, output=again)
        is_same = file.read_bytes() == again.read_bytes()
        _say(f"\nThe copy's dump {'is the same, byte for byte' if is_same else 'DIFFERS'}.")


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="make bench-seed", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=10_000, help="there are half as many projects (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="JSON instead of YAML")
    parser.add_argument("--check", action="store_true", help="dump the copy too, and compare")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="leave the files there")
    options = parser.parse_args()
    directory = options.keep or Path(tempfile.mkdtemp(prefix="bench-seed-"))
    directory.mkdir(parents=True, exist_ok=True)
    try:
        with _server() as server:
            _company(server, options.users)
            measure(server, directory, options.users, as_json=options.json, check=options.check)
    finally:
        if options.keep is None:
            shutil.rmtree(directory)


if __name__ == "__main__":
    main()
