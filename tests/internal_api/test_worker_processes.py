"""The first process of several workers replaces those that end, later each time, and ends with them."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.core.management.base import CommandError

from internal_api.management.commands.db_worker import Command
from tests.servers import START_SECONDS, wait_until

pytestmark = pytest.mark.once
PROGRAM = """
import logging, os, pathlib, sys, time
from internal_api.worker_processes import WorkerProcesses
logging.basicConfig(format="%(message)s")
def work(position):
    with open({started!r}, "a") as file:
        file.write(f"{{position}} {{os.getpid()}}\\n")
    {work}
WorkerProcesses({number}, work).run()
print("all have ended")
"""


@contextmanager
def running(directory: Path, number: int, work: str) -> "Iterator[subprocess.Popen[str]]":
    """The first process of several that do this."""
    program = PROGRAM.format(started=str(directory / "started"), number=number, work=work)
    root = Path(__file__).parents[2]
    process = subprocess.Popen([sys.executable, "-c", program], cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait(START_SECONDS)


def started(directory: Path) -> list[tuple[int, int]]:
    """The position and the process id of each process that began to work."""
    file = directory / "started"
    lines = file.read_text().splitlines() if file.exists() else []
    return [(int(position), int(pid)) for position, pid in (line.split() for line in lines)]


def test_those_that_keep_ending_are_started_later_each_time(tmp_path: Path) -> None:
    with running(tmp_path, 1, "sys.exit(3)") as process:
        wait_until(lambda: len(started(tmp_path)) >= 4, "four starts")
        process.send_signal(signal.SIGTERM)
        printed, logged = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, printed) == (0, "all have ended\n")
    assert {position for position, _ in started(tmp_path)} == {0}
    assert len({pid for _, pid in started(tmp_path)}) == len(started(tmp_path))
    waited = [int(seconds) for seconds in re.findall(r"has ended with status 3; another starts in (\d+) s", logged)]
    assert waited[0] == 0
    assert waited[1:3] in ([0, 1], [0, 2], [1, 1], [1, 2]), "a second and two, less a random part"


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_all_of_them(tmp_path: Path, told: signal.Signals) -> None:
    with running(tmp_path, 3, "time.sleep(600)") as process:
        wait_until(lambda: len(started(tmp_path)) == 3, "three processes")
        process.send_signal(told)
        printed, logged = process.communicate(timeout=START_SECONDS)
    assert (process.returncode, printed, logged) == (0, "all have ended\n", "")
    for _, pid in started(tmp_path):
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_one_that_fails_is_logged_and_replaced(tmp_path: Path) -> None:
    with running(
        tmp_path, 2, "position or len(open({!r}).readlines()) > 3 or 1 / 0; time.sleep(600)".format(str(tmp_path / "started"))
    ) as process:
        wait_until(lambda: len(started(tmp_path)) >= 4, "further starts")
        process.send_signal(signal.SIGTERM)
        _, logged = process.communicate(timeout=START_SECONDS)
    assert "ZeroDivisionError" in logged
    assert [position for position, _ in started(tmp_path)].count(1) == 1, "the other one works on"


@pytest.mark.parametrize("text", ["0", "-1", "x", "\u0662"])
def test_a_number_of_processes_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(CommandError, match="--processes: must be a number of at least 1"):
        Command().create_parser("manage.py", "db_worker").parse_args([f"--processes={text}"])
