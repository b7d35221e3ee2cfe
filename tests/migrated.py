"""Databases with all tables, migrated once and copied for whoever wants one.

The migrations take nine seconds of CPU, a copy takes a tenth of one. What is kept lies in the directory that the variable
TEST_TEMPLATES names (`tests.servers` gives one to all processes of a run); without it each process has a directory of its own.
"""

import atexit
import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VARIABLE = "TEST_TEMPLATES"


def migrate(database_url: str) -> None:
    """Make all tables of a database."""
    environment = {**os.environ, "DATABASE_URL": database_url, "DJANGO_SETTINGS_MODULE": "settings.test"}
    subprocess.run([sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"], check=True, cwd=ROOT, env=environment)


def new_directory() -> Path:
    """A directory for what is kept, which other users may enter: PostgreSQL runs as one."""
    directory = Path(tempfile.mkdtemp(prefix="templates-"))
    directory.chmod(0o755)
    return directory


def _directory() -> Path:
    if VARIABLE not in os.environ:
        directory = new_directory()
        os.environ[VARIABLE] = str(directory)
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Path(os.environ[VARIABLE])


def made_once(name: str, make: Callable[[Path], None]) -> Path:
    """Return a file or directory that `make` has made at the path it was given; one process makes it, and others wait meanwhile."""
    made = _directory() / name
    with (_directory() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            half_made = made.with_suffix(".half")
            make(half_made)
            half_made.rename(made)
    return made


def sqlite(path: Path) -> None:
    """Put an SQLite database with all tables at a path."""
    shutil.copyfile(made_once("migrated.sqlite3", lambda half_made: migrate(f"sqlite:///{half_made}")), path)
