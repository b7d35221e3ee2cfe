"""Throw-away PostgreSQL and Redis servers for the tests.

`python -m tests.servers -- pytest ...` runs a command with DATABASE_URL and REDIS_URL set to servers that exist as long
as the command runs. Tests that stop and start a server of their own use `PostgreSQL` and `Redis` directly.
"""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

from tests import migrated

ROOT = Path(__file__).resolve().parents[1]
TEMPLATE = "migrated"
START_SECONDS = 300
"""Seconds after which a server that does not start, or does not stop, has hung: a busy machine takes a minute for what takes two seconds."""


class MissingProgramsError(Exception):
    """A server's programs are not installed; one sentence."""


def free_port() -> int:
    """A loopback port that nobody uses at the moment."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait_until(ready: object, what: str, seconds: float = START_SECONDS) -> None:
    """Call `ready` until it is true; TimeoutError says what never came."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if callable(ready) and ready():
            return
        time.sleep(0.05)
    raise TimeoutError(f"{what} did not come up within {seconds} s")


def answers(port: int) -> bool:
    """Whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def postgresql_programs() -> Path:
    """The directory of initdb and postgres. Raises MissingProgramsError."""
    on_path = shutil.which("postgres")
    candidates = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    candidates += [Path(on_path).parent] if on_path else []
    for directory in candidates:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise MissingProgramsError("PostgreSQL's programs are not installed (Debian: apt-get install postgresql).")


def connected(cluster: str, name: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
    """A connection to one of a cluster's databases; `cluster` is the URL of any of them."""
    return psycopg.connect(cluster.replace("postgres://", "postgresql://").rsplit("/", 1)[0] + f"/{name}", autocommit=True)


def create_database(cluster: str, name: str, template: str = "template1") -> None:
    """A copy of a database that nobody uses at the moment."""
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
    with connected(cluster) as connection:
        connection.execute(statement)


def migrated_template(cluster: str) -> str:
    """Return the name of a database with all tables, which whoever asks first makes: a copy takes a tenth of the time of all migrations."""
    half_made = f"half_{TEMPLATE}"
    with connected(cluster) as connection:
        connection.execute("SELECT pg_advisory_lock(1)")  # until the connection is closed
        if connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone() is None:
            connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(half_made)))
            create_database(cluster, half_made)
            migrated.migrate(cluster.rsplit("/", 1)[0] + f"/{half_made}")
            connection.execute(sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(half_made), sql.Identifier(TEMPLATE)))
    return TEMPLATE


class PostgreSQL:
    """A cluster in a temporary directory, without durability: a crash of the machine may lose it, nothing else does.

    Unless it is to be `empty`, it has a database with all tables (`migrated_template`).
    """

    def __init__(self, *, fsync: bool = False, max_connections: int = 200, empty: bool = False) -> None:
        self.programs = postgresql_programs()
        # The server refuses to run as root.
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.directory = Path(tempfile.mkdtemp(prefix="postgresql-"))
        self.port = free_port()
        self.fsync = fsync
        self.max_connections = max_connections
        self.process: subprocess.Popen[bytes] | None = None
        if os.geteuid() == 0:
            shutil.chown(self.directory, self.user)
        self._make_data(empty=empty)

    def _make_data(self, *, empty: bool) -> None:
        """Make the cluster's files."""
        if empty:
            locale = ["-E", "UTF8", "--locale=C.UTF-8"]
            self._run("initdb", "-D", str(self.directory / "data"), "-U", "postgres", "--auth=trust", *locale, "-N")
        else:
            kept = migrated.made_once("postgresql", _make_migrated)
            subprocess.run(["cp", "--archive", str(kept), str(self.directory / "data")], check=True)

    def _command(self, program: str, *arguments: str) -> list[str]:
        command = [str(self.programs / program), *arguments]
        if os.geteuid() != 0:
            return command
        setpriv = shutil.which("setpriv") or "setpriv"
        return [setpriv, f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", "--reset-env", *command]

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(self._command(program, *arguments), check=True, stdout=subprocess.DEVNULL, cwd=self.directory)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        settings = {
            "port": self.port,
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": self.directory,
            "max_connections": self.max_connections,
            "fsync": "on" if self.fsync else "off",
            "synchronous_commit": "on" if self.fsync else "off",
            "full_page_writes": "on" if self.fsync else "off",
            "shared_buffers": "128MB",
        }
        options = [argument for name, value in settings.items() for argument in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self.directory / "data"), *options)
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.directory)
        wait_until(self._is_ready, "PostgreSQL")

    def _is_ready(self) -> bool:
        try:
            psycopg.connect(self.url.replace("postgres://", "postgresql://"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, *, crash: bool = False) -> None:
        """Stop it at once; `crash` gives it no chance to tidy up."""
        if self.process is None:
            return
        self._signal("QUIT" if crash else "INT")
        try:
            self.process.wait(START_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process = None

    def _signal(self, name: str) -> None:
        pid_file = self.directory / "data" / "postmaster.pid"
        if not pid_file.exists():
            return
        pid = pid_file.read_text().split()[0]
        subprocess.run(self._command("pg_ctl", "kill", name, pid), check=False)

    def remove(self) -> None:
        """Stop it for good."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def url(self) -> str:
        """For DATABASE_URL."""
        return f"postgres://postgres@127.0.0.1:{self.port}/postgres"


def _make_migrated(data: Path) -> None:
    """Make the files of a cluster that has a database with all tables."""
    server = PostgreSQL(empty=True)
    try:
        server.start()
        migrated_template(server.url)
        server.stop()
        (server.directory / "data").rename(data)
    finally:
        server.remove()


class Redis:
    """A Redis without persistence; `options` are those of its command line."""

    def __init__(self, *options: str) -> None:
        program = shutil.which("redis-server")
        if program is None:
            raise MissingProgramsError("Redis is not installed (Debian: apt-get install redis-server).")
        self.program = program
        self.port = free_port()
        self.options = options
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        command = [self.program, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_until(lambda: answers(self.port), "Redis")

    def stop(self) -> None:
        """Kill it: it has nothing to lose."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        return f"redis://127.0.0.1:{self.port}/0"


@contextmanager
def _kept_templates() -> Iterator[str]:
    """Where this process and all that it starts keep what they copy."""
    directory = migrated.new_directory()
    before = os.environ.get(migrated.VARIABLE)
    os.environ[migrated.VARIABLE] = str(directory)
    try:
        yield str(directory)
    finally:
        del os.environ[migrated.VARIABLE]
        if before is not None:
            os.environ[migrated.VARIABLE] = before
        shutil.rmtree(directory, ignore_errors=True)


@contextmanager
def running_servers() -> Iterator[dict[str, str]]:
    """A PostgreSQL and a Redis, as the environment variables that lead to them. Raises MissingProgramsError."""
    redis = Redis()
    with _kept_templates() as templates:
        postgresql = PostgreSQL()
        try:
            postgresql.start()
            redis.start()
            yield {"DATABASE_URL": postgresql.url, "REDIS_URL": redis.url, migrated.VARIABLE: templates}
        finally:
            redis.stop()
            postgresql.remove()


def main(arguments: Sequence[str]) -> int:
    """Run pytest with servers; its exit code. Without their programs: one line, and what starts real processes on SQLite."""
    command = list(arguments[1:] if arguments[:1] == ["--"] else arguments)
    try:
        with running_servers() as variables:
            return subprocess.run(command, check=False, env={**os.environ, **variables}).returncode
    except MissingProgramsError as error:
        sys.stderr.write(f"Left out what needs PostgreSQL: {error}\n")
        environment = {**os.environ, "LIVE_ON_SQLITE": "true"}
        return subprocess.run([*command, "-m", "live"], check=False, env=environment).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
