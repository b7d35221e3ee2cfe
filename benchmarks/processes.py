"""Servers under measurement: gunicorn with an application, and what a tree of processes has used, from /proc."""

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.servers import answers, free_port, wait_until

ROOT = Path(__file__).resolve().parents[1]
_TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    parents: dict[int, list[int]] = {}
    for directory in Path("/proc").iterdir():
        if directory.name.isdigit():
            try:
                parents.setdefault(int(_stat(int(directory.name))[1]), []).append(int(directory.name))
            except OSError:
                continue  # it has just ended
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        waiting += parents.get(one, [])
    return found


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and all below it, those that have ended included."""
    total = 0
    for one in tree(pid):
        try:
            total += sum(int(field) for field in _stat(one)[11:15])
        except OSError:
            continue
    return total / _TICK


def resident_megabytes(pid: int) -> float:
    """What one process holds in memory, its share of common pages included in full."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def peak_megabytes(pid: int) -> float:
    """The most that one process has held in memory since it began."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return 0.0


@dataclass
class Gunicorn:
    """One application under the service's own gunicorn settings."""

    name: str
    application: str
    environment: Mapping[str, str]
    directory: Path
    workers: int = 2
    configuration: str = str(ROOT / "settings" / "gunicorn.py")
    python_path: Path = ROOT
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Serve, and wait until the port answers."""
        command = [sys.executable, "-m", "gunicorn", "-c", self.configuration, self.application]
        variables = {
            **os.environ,
            **self.environment,
            "BIND": f"127.0.0.1:{self.port}",
            "WEB_CONCURRENCY": str(self.workers),
            "DRAIN_SECONDS": "0",
        }
        variables.pop("PYTHONDONTWRITEBYTECODE", None)  # modules are compiled once, as in the image, and not with every start
        with (self.directory / f"{self.name}.log").open("wb") as log:
            self.process = subprocess.Popen(command, env=variables, cwd=self.python_path, stdout=log, stderr=log)
        wait_until(lambda: answers(self.port), self.name)

    def stop(self) -> None:
        """Stop it gracefully."""
        if self.process is not None:
            self.process.terminate()
            self.process.wait(90)
            self.process = None

    @property
    def pid(self) -> int:
        """The master's. Raises RuntimeError when it does not run."""
        if self.process is None:
            raise RuntimeError(f"{self.name} does not run.")
        return self.process.pid

    def worker_pids(self) -> list[int]:
        """Those that answer."""
        return tree(self.pid)[1:]

    def peak_megabytes(self) -> float:
        """The largest that any worker has ever been."""
        return max(peak_megabytes(pid) for pid in self.worker_pids())
