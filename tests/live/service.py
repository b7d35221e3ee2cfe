"""The service as it runs for real: gunicorn on a loopback port with a database of its own."""

import json
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from internal_api.service_tokens import SHELL
from tests import migrated, passes, preloaded
from tests.servers import START_SECONDS, answers, create_database, free_port, migrated_template, wait_until

ROOT = Path(__file__).resolve().parents[2]
Program = subprocess.Popen[bytes] | preloaded.Forked


@dataclass
class Answer:
    """A status and the JSON that came with it."""

    status: int
    body: Any
    headers: Mapping[str, str]


@dataclass
class Service:
    """One gunicorn with its settings; `directory` holds its secrets and, without PostgreSQL, its database."""

    directory: Path
    workers: int = 1
    variables: dict[str, str] = field(default_factory=dict)
    process: Program | None = None
    root: Path = ROOT
    """Where the code is."""
    is_preloaded: bool = not passes.DEPLOYMENT
    """Whether gunicorn and the commands are forked from a process that has the libraries (tests/preloaded.py)."""

    def __post_init__(self) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.shell_secret = self.directory / "shell_secret"
        self.shell_secret.write_text("the shell secret of a running service\n")
        self.shell_secret.chmod(0o600)
        self.environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "settings.base",
            "DATABASE_URL": self._database_url(),
            "SECRET_KEY": "the secret key of a running service",
            "GITLAB_SHELL_SECRET_FILE": str(self.shell_secret),
            "GITLAB_KAS_SECRET_FILE": str(self.directory / "kas_secret"),
            "GITLAB_WORKHORSE_SECRET_FILE": str(self.directory / "workhorse_secret"),
            "EXTERNAL_URL": self.url,
            "VAR_DIR": str(self.directory),
            "BIND": f"127.0.0.1:{self.port}",
            "WEB_CONCURRENCY": str(self.workers),
            "WORKER_PROCESSES": "1",
            "DRAIN_SECONDS": "0",
            "HOME": str(self.directory),
            **self.variables,
        }

    def _database_url(self) -> str:
        if "DATABASE_URL" in self.variables:
            return self.variables["DATABASE_URL"]
        cluster = os.environ.get("DATABASE_URL", "")
        if not cluster.startswith("postgres"):
            return f"sqlite:///{self.directory}/db.sqlite3"
        name = f"live_{uuid.uuid4().hex[:12]}"
        create_database(cluster, name, migrated_template(cluster))
        return cluster.rsplit("/", 1)[0] + f"/{name}"

    def migrate(self) -> None:
        """Make the tables; a database of PostgreSQL has been copied from one that has them."""
        if self.environment["DATABASE_URL"].startswith("sqlite"):
            file = Path(self.environment["DATABASE_URL"].removeprefix("sqlite:///"))
            if not file.exists():
                migrated.sqlite(file)

    def shell_token(self) -> str:
        """What GitLab Shell would show, valid for longer: a busy machine takes minutes for a test."""
        return SHELL.issue(self.shell_secret.read_bytes().strip(), lifetime=3600)

    def manage(self, *arguments: str, text: str | None = None, code: int = 0) -> str:
        """Run a management command that ends with `code`; what it prints. Raises AssertionError."""
        done = self.command(*arguments, text=text)
        if done.returncode != code:
            raise AssertionError(f"{arguments} failed: {done.stderr}")
        return done.stdout

    def command(self, *arguments: str, text: str | None = None) -> "subprocess.CompletedProcess[str]":
        """Run a management command to its end, whatever that is."""
        words = [str(self.root / "manage.py"), *arguments]
        if self.is_preloaded:
            return preloaded.run(words, env=self.environment, cwd=self.root, text=text)
        return subprocess.run(
            [sys.executable, *words], env=self.environment, input=text, capture_output=True, text=True, check=False, cwd=self.root
        )

    def launch(self, *words: str, log: str) -> Program:
        """Start `python WORDS`, which goes on; what it prints is appended to the file `log` of the service's directory."""
        with (self.directory / log).open("ab") as file:
            if self.is_preloaded:
                return preloaded.start(words, env=self.environment, cwd=self.root, stdout=file, stderr=file)
            return subprocess.Popen([sys.executable, *words], env=self.environment, cwd=self.root, stdout=file, stderr=file)

    def start_worker(self, *options: str) -> Program:
        """Start what follows pushes up and sends webhooks."""
        return self.launch(str(self.root / "manage.py"), "db_worker", *options, log="workers.log")

    def seed(self, document: Mapping[str, Any]) -> str:
        """Bring the database to a state."""
        return self.manage("seed", "-", text=yaml.safe_dump(dict(document)))

    def start(self) -> None:
        """Migrate, serve, and wait until the port answers."""
        self.migrate()
        configuration = str(self.root / "settings" / "gunicorn.py")
        self.process = self.launch("-m", "gunicorn", "-c", configuration, "settings.wsgi", log="service.log")
        wait_until(lambda: answers(self.port), "the service")

    def stop(self) -> None:
        """Stop it gracefully."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(START_SECONDS)

    def ask(
        self, path: str, values: Mapping[str, Any] | None = None, *, token: str | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One request as GitLab Shell makes it: a POST of JSON, or a GET without values."""
        headers = {"Content-Type": "application/json", "Gitlab-Shell-Api-Request": token or self.shell_token(), **(headers or {})}
        data = None if values is None else json.dumps(values).encode()
        request = urllib.request.Request(f"{self.url}/api/v4/internal/{path}", data=data, headers=dict(headers))  # noqa: S310  http to ourselves
        try:
            with urllib.request.urlopen(request, timeout=START_SECONDS) as response:  # noqa: S310  likewise
                return Answer(response.status, json.loads(response.read() or b"null"), dict(response.headers))
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, json.loads(error.read() or b"null"), dict(error.headers))


def temporary_directory() -> Path:
    """A directory that other users may enter, since PostgreSQL and sshd may run as somebody else."""
    directory = Path(tempfile.mkdtemp(prefix="live-"))
    directory.chmod(0o755)
    return directory
