"""Everything that is up while the bench runs: PostgreSQL, Redis, the floor, the service over much data, and over little."""

import base64
import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from benchmarks.cases import Credentials
from benchmarks.dataset import Company, fill
from benchmarks.processes import ROOT, Gunicorn
from tests.servers import PostgreSQL, Redis

HOST = "git.example.com"
_SET_UP = """
from internal_api.models import InstanceSettings
row = InstanceSettings.current(); row.gitlab_shell_operation_limit = 1_000_000; row.save()  # counted, and never reached
from scim.services.tokens import rotate_token
print(rotate_token(None, token={token!r})[1])
"""


@dataclass
class Stage:
    """The servers. `database_pid` and `redis_pid` are for their CPU."""

    directory: Path
    credentials: Credentials
    large: Company
    small: Company
    floor: Gunicorn
    service: Gunicorn
    copy: Gunicorn
    little: Gunicorn
    database_pid: int
    redis_pid: int

    def with_workers(self, workers: int) -> Gunicorn:
        """The service once more, with another number of workers."""
        return Gunicorn(f"workers-{workers}", "settings.wsgi", self.service.environment, self.directory, workers)


def _manage(environment: dict[str, str], *arguments: str, text: str | None = None) -> str:
    command = [sys.executable, str(ROOT / "manage.py"), *arguments]
    done = subprocess.run(command, env={**os.environ, **environment}, input=text, capture_output=True, text=True, check=False, cwd=ROOT)
    if done.returncode:
        raise RuntimeError(f"{arguments} failed: {done.stderr[-2000:]}")
    return done.stdout


def _database(cluster: str, name: str, company: Company, environment: dict[str, str], scim_token: str) -> dict[str, str]:
    """A database with a company in it; the environment that leads to it."""
    with psycopg.connect(cluster, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = f"{cluster.rpartition('/')[0]}/{name}"
    environment = {**environment, "DATABASE_URL": url}
    _manage(environment, "migrate", "--verbosity", "0")
    fill(url, company)
    _manage(environment, "shell", "-c", _SET_UP.format(token=scim_token))
    return environment


@contextmanager
def stage(large: Company, small: Company) -> Iterator[Stage]:
    """Build it, and tear it down. PostgreSQL writes as it does by default, with fsync. Raises MissingProgramsError."""
    directory = Path(tempfile.mkdtemp(prefix="bench-"))
    directory.chmod(0o755)
    credentials = Credentials(secrets.token_hex(32).encode(), secrets.token_bytes(32), secrets.token_urlsafe(32))
    (directory / "shell_secret").write_bytes(credentials.shell)
    (directory / "kas_secret").write_text(base64.b64encode(credentials.kas).decode())
    for name in ("shell_secret", "kas_secret"):
        (directory / name).chmod(0o600)
    postgresql, redis = PostgreSQL(fsync=True), Redis()
    servers: list[Gunicorn] = []
    try:
        postgresql.start()
        redis.start()
        common = {
            "DJANGO_SETTINGS_MODULE": "settings.base",
            "REDIS_URL": redis.url,
            "SECRET_KEY": secrets.token_hex(32),
            "GITLAB_SHELL_SECRET_FILE": str(directory / "shell_secret"),
            "GITLAB_KAS_SECRET_FILE": str(directory / "kas_secret"),
            "GITLAB_WORKHORSE_SECRET_FILE": str(directory / "workhorse_secret"),
            "EXTERNAL_URL": f"http://{HOST}",
            "ALLOWED_HOSTS": "localhost",
            "VAR_DIR": str(directory),
        }
        much = _database(postgresql.url, "large", large, common, credentials.scim)
        few = _database(postgresql.url, "small", small, {**common, "REDIS_URL": redis.url.replace("/0", "/1")}, credentials.scim)
        floor = _floor(directory, much, large, credentials)
        servers = [
            Gunicorn("floor", "benchmarks.floor", floor, directory),
            Gunicorn("service", "settings.wsgi", much, directory),
            Gunicorn("copy", "settings.wsgi", much, directory),
            Gunicorn("little", "settings.wsgi", few, directory),
        ]
        for server in servers:
            server.start()
        database, shared = postgresql.process, redis.process
        if database is None or shared is None:
            raise RuntimeError("The servers were started.")
        one, two, three, four = servers
        yield Stage(directory, credentials, large, small, one, two, three, four, database.pid, shared.pid)
    finally:
        for server in servers:
            server.stop()
        redis.stop()
        postgresql.remove()


def _floor(directory: Path, environment: dict[str, str], company: Company, credentials: Credentials) -> dict[str, str]:
    """Write down what the floor has to know; the environment that leads to it."""
    from benchmarks.floor_statements import FLOOR_TABLE  # noqa: PLC0415  needs Django's settings

    with psycopg.connect(environment["DATABASE_URL"], autocommit=True) as connection:
        connection.execute(FLOOR_TABLE)
    from benchmarks.floor_statements import STATEMENTS  # noqa: PLC0415  likewise

    path = directory / "floor.json"
    configuration = {
        "database": environment["DATABASE_URL"],
        "redis": environment["REDIS_URL"],
        "shell_secret": credentials.shell.decode(),
        "kas_secret": base64.b64encode(credentials.kas).decode(),
        "scim_token": credentials.scim,
        "host": HOST,
        "people": company.users,
        "items_per_page": 100,
        "statements": STATEMENTS,
    }
    path.write_text(json.dumps(configuration))
    return {"FLOOR": str(path)}
