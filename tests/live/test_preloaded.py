"""A program that is forked with its libraries behaves as one that the interpreter starts (tests/preloaded.py)."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import preloaded
from tests.servers import START_SECONDS, wait_until

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
MANAGE = str(preloaded.ROOT / "manage.py")
PRINTED = "import sys, os; print(sys.argv, sys.path[0], os.getcwd(), sorted(os.environ.items()), sys.stdin.isatty(), file={})"
BOTH = (
    "import pathlib, sys; from django.conf import settings; "
    "print(settings.EXTERNAL_URL, settings.GITLAB_SHELL_SECRET_FILE, settings.SECRET_KEY == 'the key', sys.stdin.read())"
)


def in_shell(code: str) -> list[str]:
    return [MANAGE, "shell", "-v0", "-c", code]


def both(arguments: list[str], environment: dict[str, str], text: str | None = None) -> list[tuple[int, str, str]]:
    """Exit status, standard output and error of the forked program, and of the real one."""
    command = [sys.executable, *arguments]
    forked = preloaded.run(arguments, env=environment, cwd=preloaded.ROOT, text=text)
    real = subprocess.run(command, env=environment, cwd=preloaded.ROOT, input=text or "", capture_output=True, text=True, check=False)
    return [(done.returncode, done.stdout, done.stderr) for done in (forked, real)]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "LC_ALL": "C.UTF-8",  # or the interpreter would add a variable when it starts
        "VAR_DIR": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path}/db.sqlite3",
        "SECRET_KEY": "the key",
        "EXTERNAL_URL": "https://one.example.com",
    }


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (in_shell(PRINTED.format("sys.stdout")), 0),
        (in_shell(PRINTED.format("sys.stderr")), 0),
        (in_shell(BOTH), 0),
        (in_shell("import sys; sys.exit(7)"), 7),
        (in_shell("import sys; sys.exit('why')"), 1),
        (in_shell("import atexit, threading; atexit.register(print, 'at exit'); threading.Timer(0.1, print, ['thread']).start()"), 0),
        (in_shell("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), -signal.SIGKILL),
        ([MANAGE, "shell_token", "--nothing"], 2),
        ([MANAGE, "no_such_command"], 1),
        ([MANAGE, "audit_events"], 1),
        (["-m", "gunicorn", "--version"], 0),
    ],
)
def test_forked_program_ends_as_the_real_one(environment: dict[str, str], arguments: list[str], code: int) -> None:
    forked, real = both(arguments, environment, text="typed")
    assert forked == real
    assert forked[0] == code
    assert forked[1] + forked[2] or code not in {0, 1}


def test_exception_that_nothing_catches_is_one_on_standard_error(environment: dict[str, str]) -> None:
    forked, real = both(in_shell("raise ValueError('why')"), environment)
    assert (forked[0], forked[2].splitlines()[-1]) == (real[0], real[2].splitlines()[-1]) == (1, "ValueError: why")


def test_settings_are_read_by_each_program(environment: dict[str, str]) -> None:
    told = [preloaded.run(in_shell(BOTH), env={**environment, "EXTERNAL_URL": url}).stdout for url in ("https://a.b", "https://c.d")]
    assert [line.split()[0] for line in told] == ["https://a.b", "https://c.d"]
    refused = both([MANAGE, "check"], {**environment, "DATABASE_URL": "nonsense://"})
    assert refused[0] == refused[1]
    assert refused[0][0] == 1


def test_program_that_goes_on_is_waited_for_and_signalled(environment: dict[str, str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        program = preloaded.start(in_shell("import time; print('begun', flush=True); time.sleep(3600)"), env=environment, stdout=file)
    wait_until(lambda: "begun" in log.read_text(), "the program")
    assert program.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        program.wait(0.01)
    assert os.readlink(f"/proc/{program.pid}/cwd") == str(preloaded.ROOT)  # noqa: PTH115  a link of the kernel's
    program.terminate()
    assert program.wait(START_SECONDS) == -signal.SIGTERM
    program.kill()  # does nothing to whoever has that number by now
    assert program.poll() == -signal.SIGTERM


def test_forks_differ_in_what_is_random(environment: dict[str, str]) -> None:
    code = "import random, secrets, uuid; print(random.random(), secrets.token_hex(), uuid.uuid4())"
    first, second = (preloaded.run(in_shell(code), env=environment).stdout.split() for _ in range(2))
    assert len(first) == len(second) == 3
    assert not set(first) & set(second)
