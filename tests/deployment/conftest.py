"""Machines for the tests of the deployment; tests/deployment/pages.py says how they are used."""

import fcntl
import hashlib
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.deployment.scratch_root import ROOT, ScratchRoot

LOCKED = ROOT / "requirements" / "base.txt"
INSTALL = """
git clone --quiet /source /opt/control-plane
cd /opt/control-plane
python3 -m venv .venv
.venv/bin/pip install --quiet --require-hashes --only-binary :all: -r requirements/base.txt
.venv/bin/python -m compileall -q -x '/(\\.venv|tests|benchmarks)/' .
"""
Maker = Callable[..., ScratchRoot]


@contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock among the parallel workers of a run of tests."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """A directory of this run of tests, the same for all parallel workers."""
    base = tmp_path_factory.getbasetemp()
    return base if worker_id == "master" else base.parent


@pytest.fixture(scope="session")
def wheels() -> Path:
    """The locked packages, from the index that pip is configured for; kept in var/ until the lock changes."""
    python = subprocess.run(["/usr/bin/python3", "--version"], check=True, capture_output=True).stdout
    directory = ROOT / "var" / "wheels" / hashlib.sha256(LOCKED.read_bytes() + python).hexdigest()[:16]
    directory.parent.mkdir(parents=True, exist_ok=True)
    with one_at_a_time(directory.with_suffix(".lock")):
        if not directory.exists():
            half = directory.with_suffix(".half")
            shutil.rmtree(half, ignore_errors=True)
            shutil.rmtree(directory.with_suffix(".venv"), ignore_errors=True)
            # What is locked depends on the Python, which is the one of the machines.
            subprocess.run(["/usr/bin/python3", "-m", "venv", str(directory.with_suffix(".venv"))], check=True)
            command = [str(directory.with_suffix(".venv") / "bin" / "pip"), "download", "--quiet", "--require-hashes", "--only-binary"]
            subprocess.run([*command, ":all:", "--requirement", str(LOCKED), "--dest", str(half)], check=True)
            half.rename(directory)
    return directory


@pytest.fixture(scope="session")
def source(shared: Path) -> Path:
    """A Git repository with what is in the working tree now, committed or not."""
    directory = shared / "source"
    with one_at_a_time(shared / "source.lock"):
        if not directory.exists():
            listed = subprocess.run(
                ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=ROOT, check=True, capture_output=True
            ).stdout.decode()
            for name in filter(None, listed.split("\0")):
                if (ROOT / name).is_file():
                    (directory / name).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copy2(ROOT / name, directory / name)
            identity = ["-c", "user.name=tests", "-c", "user.email=tests@example.com"]
            for arguments in (["init", "--quiet"], ["add", "--all"], [*identity, "commit", "--quiet", "--message", "The working tree"]):
                subprocess.run(["git", *arguments], cwd=directory, check=True)
    return directory


@pytest.fixture(scope="session")
def installed_tree(shared: Path, wheels: Path, source: Path) -> Path:
    """An installation in /opt/control-plane; made once for all parallel workers."""
    tree = shared / "installed"
    with one_at_a_time(shared / "installed.lock"):
        if not tree.exists():
            with ScratchRoot(wheels=wheels, source=source) as machine:
                machine.run(INSTALL)
                subprocess.run(["cp", "--archive", str(machine.upper / "opt" / "control-plane"), str(tree)], check=True)
    return tree


@pytest.fixture
def scratch_roots(wheels: Path, source: Path) -> Iterator[Maker]:
    """Make machines: `scratch_roots(systemd=True, network=first)`; with the service: `trees={"/opt/control-plane": installed_tree}`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(ScratchRoot(**{"wheels": wheels, "source": source, **options}))


@pytest.fixture
def scratch(scratch_roots: Maker) -> ScratchRoot:
    """A machine with systemd, without the service."""
    return scratch_roots(systemd=True)


@pytest.fixture
def installed(scratch_roots: Maker, installed_tree: Path) -> ScratchRoot:
    """A machine with the service's code and its packages in /opt/control-plane; no secrets, no database, nothing started."""
    return scratch_roots(systemd=True, trees={"/opt/control-plane": installed_tree})
