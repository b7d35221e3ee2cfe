"""The directory in which processes count: one per server, nothing lost when a process ends, nothing left behind."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from internal_api.metrics_directory import VARIABLE, keep_counts_of

ROOT = Path(__file__).resolve().parents[2]
COUNTING = """
import os, sys
from internal_api.metrics import decisions, observe_request
for _ in range(int(sys.argv[1])):
    observe_request("allowed", "POST", 200, 0.25, 1)  # whose sums have no rounding
    decisions.labels("git-upload-pack", "allowed", "").inc()
print(os.getpid())
"""
READING = """
from internal_api.metrics import counted
print(counted().decode())
"""


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    return tmp_path


def run(program: str, *arguments: str) -> str:
    """A process of the server: which directory it counts in is decided when it starts."""
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "settings.test"}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments], check=True, capture_output=True, text=True, cwd=ROOT, env=environment
    )
    return done.stdout


def totals() -> dict[str, float]:
    lines = [line for line in run(READING).splitlines() if line and not line.startswith("#")]
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}


@pytest.mark.once
def test_what_processes_counted_is_kept_in_one_file_when_they_have_ended(directory: Path) -> None:
    pids = [int(run(COUNTING, str(number))) for number in (3, 4, 5)]
    before = totals()
    assert before['internal_api_decisions_total{action="git-upload-pack",reason="",verdict="allowed"}'] == 12
    assert before['internal_api_request_duration_seconds_bucket{endpoint="allowed",le="0.25",method="POST",status="200"}'] == 12
    for pid in pids:
        keep_counts_of(directory, pid)
        assert totals() == before
    assert {path.name for path in directory.glob("*.db")} == {"counter_0.db", "histogram_0.db"}
    keep_counts_of(directory, pids[0])
    assert totals() == before, "a process that has counted nothing since, or whose id is used again, adds nothing"


STARTING = """
import json, os, sys
from internal_api.metrics_directory import open_directory
first = open_directory()
again = open_directory()
child = os.fork()
if child == 0:
    sys.exit(0)
os.waitpid(child, 0)
print(json.dumps([str(first), str(again), first.exists()]), flush=True)
if len(sys.argv) > 1:
    os.kill(os.getpid(), 9)
"""


@pytest.mark.once
def test_a_server_has_one_directory_through_reloads_and_takes_it_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    first, again, existed = json.loads(run(STARTING))
    assert (first, existed) == (again, True), "a child that ends does not remove it"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.once
def test_the_directory_of_a_killed_server_is_removed_by_the_next_and_that_of_a_running_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    (tmp_path / "metrics-of-another-program").mkdir()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", STARTING, "killed"], check=False, capture_output=True, cwd=ROOT, env=environment)
    assert len(list(tmp_path.iterdir())) == 2
    waiting = STARTING + "\nsys.stdin.read()"
    with subprocess.Popen(
        [sys.executable, "-c", waiting], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment, text=True
    ) as running:
        assert running.stdout is not None
        path = Path(json.loads(running.stdout.readline())[0])
        run(STARTING)
        assert {child.name for child in tmp_path.iterdir()} == {path.name, "metrics-of-another-program"}
        running.communicate("")
    assert [child.name for child in tmp_path.iterdir()] == ["metrics-of-another-program"]


@pytest.mark.once
def test_a_server_that_another_one_started_has_a_directory_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new binary (USR2) inherits the environment, and outlives the directory of the old one."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setenv(VARIABLE, str(tmp_path / "of the old one"))
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_OWNER", "1")
    first, again, _ = json.loads(run(STARTING))
    assert first == again != str(tmp_path / "of the old one")
