"""The image: what is in it, and that it runs as compose.yaml runs it (tests/deployment/image.py says what stands in for what)."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from copy import copy
from pathlib import Path

import pytest
import yaml

from tests.deployment import image as images
from tests.deployment.image import Image
from tests.deployment.pages import page
from tests.deployment.scratch_root import COMMAND_SECONDS, ROOT, ScratchRoot
from tests.live.service import temporary_directory
from tests.public_keys import ED25519
from tests.servers import START_SECONDS, wait_until

pytestmark = pytest.mark.deployment
IGNORED = (".gitlab_shell_secret", ".env", "secrets/secret_key", "var/db.sqlite3", "settings/__pycache__/old.pyc")
SECRETS = {
    "database_url": "postgres://control_plane:word@127.0.0.1/control_plane",
    "kas_secret": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
    "workhorse_secret": "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=",
}
COMPANY = f"""
storages: [{{name: default}}]
users: [{{id: 7, username: ann, email: ann@example.com, keys: [{{id: 11, key: "{ED25519}"}}]}}]
groups: [{{path: acme}}]
projects: [{{id: 1, path: acme/rockets, members: {{ann: maintainer}}}}]
"""


@pytest.fixture(scope="module")
def image(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """The image of the working tree, with files beside that must not get into it."""
    context = tmp_path_factory.mktemp("context")
    subprocess.run(["cp", "--archive", f"{source}/.", str(context)], check=True)
    for name in IGNORED:
        (context / name).parent.mkdir(parents=True, exist_ok=True)
        (context / name).write_text("must not be in the image")
    began = time.monotonic()
    with images.built(context) as built:
        sys.stdout.write(
            f"Built in {time.monotonic() - began:.0f} s; {built.size // 10**6} MB, of which the base {built.base_size // 10**6} MB.\n"
        )
        yield built


@pytest.fixture(scope="module")
def machine() -> Iterator[ScratchRoot]:
    """A machine with the PostgreSQL that the containers use."""
    with ScratchRoot(systemd=True) as scratch:
        scratch.run("systemctl start postgresql redis-server; runuser -u postgres -- createdb control_plane")
        scratch.run("runuser -u postgres -- psql -qc \"CREATE ROLE control_plane LOGIN SUPERUSER PASSWORD 'word'\"")
        yield scratch


class Container:
    """Programs of the image, each in a container of its own, with the settings, secrets and volume of compose.yaml."""

    def __init__(self, image: Image, machine: ScratchRoot) -> None:
        self.image = image
        self.machine = machine
        self.directory = temporary_directory()
        (self.directory / "state").mkdir()
        (self.directory / "secrets").mkdir()
        os.chown(self.directory / "state", 10001, 10001)
        compose = yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["service"]
        for name in compose["secrets"]:
            (self.directory / "secrets" / name).write_text(SECRETS.get(name, "h" * 64))
        self.variables = {
            **compose["environment"],
            "EXTERNAL_URL": "https://git.example.com",
            "SSH_URL": "ssh://git@git.example.com",
            "REDIS_URL": "redis://127.0.0.1:6379/0",
            "WEB_CONCURRENCY": "2",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = images.command(self.image, self.machine, self.directory, arguments, self.variables)
        return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *arguments: str, text: str = "", code: int = 0) -> str:
        process = self.start(*arguments)
        printed, _ = process.communicate(text, COMMAND_SECONDS)
        assert process.returncode == code, printed
        return printed

    def manage(self, *arguments: str, text: str = "") -> str:
        return self.run("python", "manage.py", *arguments, text=text)


@pytest.fixture(scope="module")
def container(image: Image, machine: ScratchRoot) -> Container:
    """The image with its secrets, migrated and with a company."""
    made = Container(image, machine)
    made.manage("migrate", "--verbosity", "0")
    made.manage("seed", "-", text=COMPANY)
    return made


def first_process(process: subprocess.Popen[str]) -> int:
    """Return the process that is number 1 in the container."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    wait_until(children.read_text, "the container")
    return int(children.read_text())


def stop(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Stop a container as engines do: SIGTERM to process 1. The exit code and what was printed."""
    os.kill(first_process(process), signal.SIGTERM)
    printed, _ = process.communicate(timeout=START_SECONDS)
    return process.returncode, printed


def test_it_is_built_without_a_compiler(image: Image) -> None:
    for program in ("gcc", "cc", "make"):
        assert not (image.root / "usr/bin" / program).exists()


def test_it_holds_what_runs_and_nothing_else(image: Image) -> None:
    apps = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"])
    names = {path.name for path in (image.root / "app").iterdir()} - {"__pycache__"}
    assert names == {*apps, "manage.py", "requirements", "sbom.cdx.json", "static"}
    leaked = subprocess.run(
        ["grep", "-rl", "must not be in the image", f"{image.root}/app", f"{image.root}/venv"], capture_output=True, check=False
    )
    assert (leaked.returncode, leaked.stdout) == (1, b"")


def test_no_configuration_of_pip_stays_behind(image: Image) -> None:
    assert not (image.root / "etc/pip.conf").exists() or not (image.root / "etc/pip.conf").read_text()
    assert not (image.root / "run/secrets").exists() or not list((image.root / "run/secrets").iterdir())
    assert not list((image.root / "venv").glob("lib/*/site-packages/pip"))


def test_it_is_small(image: Image) -> None:
    assert image.size - image.base_size < 250e6


def test_its_packages_are_listed_as_cyclonedx(image: Image) -> None:
    listed = json.loads((image.root / "app/sbom.cdx.json").read_text())
    assert listed["bomFormat"] == "CycloneDX"
    found = {component["name"].lower().replace("_", "-").replace(".", "-") for component in listed["components"]}
    installed = {
        path.name.partition("-")[0].lower().replace("_", "-").replace(".", "-")
        for path in image.root.glob("venv/lib/*/site-packages/*.dist-info")
    }
    assert "django" in installed
    assert found == installed
    assert all(component["purl"].startswith("pkg:pypi/") and component["version"] for component in listed["components"])


def test_without_its_secrets_it_does_not_start(container: Container) -> None:
    other = copy(container)
    other.variables = {**container.variables, "GITLAB_SHELL_SECRET_FILE": "/run/secrets/none"}
    process = other.start(*container.image.configuration["Cmd"])
    printed, _ = process.communicate(timeout=START_SECONDS)
    assert process.returncode in {1, 3}  # gunicorn's, by how many of its processes have ended when it looks
    assert "REQUIRE_SECRETS is true" in printed


def test_it_serves_with_a_read_only_root_and_stops_in_order(container: Container, machine: ScratchRoot) -> None:
    token = container.manage("shell_token").strip()
    process = container.start(*container.image.configuration["Cmd"])
    wait_until(lambda: machine.answers("curl -sf http://127.0.0.1:3001/readyz") or process.poll() is not None, "the service")
    assert process.poll() is None, process.communicate()
    status = dict(line.split(":\t") for line in Path(f"/proc/{first_process(process)}/status").read_text().splitlines() if ":\t" in line)
    assert (status["NSpid"].split()[-1], status["Uid"].split()[1], int(status["CapEff"], 16), status["NoNewPrivs"]) == (
        "1",
        "10001",
        0,
        "1",
    )
    root = f"/proc/{first_process(process)}/root"
    assert os.statvfs(root).f_flag & os.ST_RDONLY
    assert not os.statvfs(f"{root}/tmp").f_flag & os.ST_RDONLY  # noqa: S108  the container's
    machine.run("curl -sf http://127.0.0.1:3001/livez")
    machine.run("curl -sf http://127.0.0.1:3001/admin/static/admin/css/base.css")
    asked = "key_id=11&project=acme/rockets&action=git-upload-pack&protocol=ssh"
    answer = machine.run(f"curl -sf -H 'Gitlab-Shell-Api-Request: {token}' --data '{asked}' http://127.0.0.1:3001/api/v4/internal/allowed")
    assert json.loads(answer)["gl_repository"] == "project-1"
    kind, *check = container.image.configuration["Healthcheck"]["Test"]
    assert kind == "CMD"
    container.run(*check)
    code, printed = stop(process)
    assert (code, "Handling signal: term" in printed, "Shutting down: Master" in printed) == (0, True, True)
    assert "SIGKILL" not in printed


def test_what_the_page_types_into_containers_works(container: Container, tmp_path: Path) -> None:
    """The blocks with `docker compose exec`, as they are written, where `docker` runs the image; `up` and `build` do nothing."""
    program = tmp_path / "docker"
    run = shlex.join(images.command(container.image, container.machine, container.directory, (), container.variables))
    program.write_text(
        '#!/bin/sh\n[ "$2" = exec ] || exit 0\nwhile [ "$1" != service ]; do shift; done\nshift\n'
        f'[ "$3" = doctor ] && {{ {run} "$@"; exit 0; }}  # says that neither worker nor service runs\nexec {run} "$@"\n'
    )
    program.chmod(0o755)
    (tmp_path / "secrets/git").mkdir(parents=True)
    (tmp_path / "secrets/git/gitaly_token").write_text("a token of Gitaly")
    blocks = [block.text for block in page("containers") if "docker compose" in block.text]
    typed = ["bash", "-euc", "\n".join(blocks)]
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(typed, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "otpauth://" in done.stdout
    storages = "SELECT gitaly_address FROM repositories_storage"
    assert container.machine.run(f"runuser -u postgres -- psql -qtAc '{storages}' control_plane") == "tcp://gitaly:8075\n"


def test_the_worker_stops_in_order(container: Container) -> None:
    process = container.start("python", "manage.py", "db_worker")
    wait_until(lambda: lists_worker(container) or process.poll() is not None, "the worker")
    assert process.poll() is None, process.communicate()
    assert stop(process)[0] == 0


def lists_worker(container: Container) -> bool:
    """Whether a worker has told the database that it lives."""
    query = "SELECT count(*) FROM internal_api_taskworker"
    return container.machine.run(f"runuser -u postgres -- psql -qtAc '{query}' control_plane").strip() != "0"
