"""`make test` says how both databases' passes ended, and fails when either does.

The Makefile is the real one, make too; the interpreter is a stand-in that fails where it is told to,
so this does not show what the passes run.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_INTERPRETER = """#!/bin/sh
case "$*" in *tests.servers*) exit "$POSTGRESQL" ;; *) exit "$SQLITE" ;; esac
"""


@pytest.mark.parametrize(
    ("sqlite", "postgresql", "said"),
    [
        (0, 0, "Tests on SQLite: passed. Tests on PostgreSQL: passed."),
        (1, 0, "Tests on SQLite: failed. Tests on PostgreSQL: passed."),
        (0, 1, "Tests on SQLite: passed. Tests on PostgreSQL: failed."),
        (1, 1, "Tests on SQLite: failed. Tests on PostgreSQL: failed."),
    ],
)
def test_the_second_pass_runs_though_the_first_has_failed(tmp_path: Path, sqlite: int, postgresql: int, said: str) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    requirements = tmp_path / "requirements" / "dev.txt"
    interpreter = tmp_path / ".venv" / "bin" / "python"
    for file in (requirements, interpreter):
        file.parent.mkdir(parents=True)
    requirements.touch()
    interpreter.write_text(_INTERPRETER)
    interpreter.chmod(0o755)
    (tmp_path / ".venv" / "installed").touch()

    # Of a make that runs the tests themselves nothing is handed down.
    environment = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    done = subprocess.run(
        ["make", "test"],
        cwd=tmp_path,
        env=environment | {"SQLITE": str(sqlite), "POSTGRESQL": str(postgresql)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said in done.stdout
    assert (done.returncode == 0) == (sqlite == postgresql == 0)
