"""The number of processes follows what the container may use, read from files as the kernel shows them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from settings import cpu_limit
from settings.cpu_limit import available_cpus

ROOT = Path(__file__).resolve().parents[2]
pytestmark = pytest.mark.once
NONE = {"proc/self/cgroup": "0::/\n"}
V1 = "4:cpu,cpuacct:/docker/abc\n2:memory:/docker/abc\n"
V1_FILES = "sys/fs/cgroup/cpu,cpuacct"


@pytest.fixture(autouse=True)
def sixty_four_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_limit, "_affinity", lambda: 64)


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        ({}, 64),
        (NONE, 64),
        ({**NONE, "sys/fs/cgroup/cpu.max": "max 100000\n"}, 64),
        ({**NONE, "sys/fs/cgroup/cpu.max": "400000 100000\n"}, 4),
        ({**NONE, "sys/fs/cgroup/cpu.max": "150000 100000\n"}, 2),
        ({**NONE, "sys/fs/cgroup/cpu.max": "20000 100000\n"}, 1),
        ({**NONE, "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 64),
        ({**NONE, "sys/fs/cgroup/cpu.max": "many\n"}, 64),
        ({**NONE, "sys/fs/cgroup/cpu.max": "100000 0\n"}, 64),
        # systemd: the slice above has the limit, the service has none
        (
            {
                "proc/self/cgroup": "0::/system.slice/control-plane.service\n",
                "sys/fs/cgroup/system.slice/cpu.max": "300000 100000\n",
                "sys/fs/cgroup/system.slice/control-plane.service/cpu.max": "max 100000\n",
            },
            3,
        ),
        # the smallest of nested limits
        (
            {
                "proc/self/cgroup": "0::/a/b\n",
                "sys/fs/cgroup/a/cpu.max": "200000 100000\n",
                "sys/fs/cgroup/a/b/cpu.max": "600000 100000\n",
            },
            2,
        ),
        # version 2 without a namespace of its own: the path is the host's, the mount is the container's
        ({"proc/self/cgroup": "0::/../../docker/abc\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": V1, f"{V1_FILES}/cpu.cfs_quota_us": "-1\n", f"{V1_FILES}/cpu.cfs_period_us": "100000\n"}, 64),
        ({"proc/self/cgroup": V1, f"{V1_FILES}/cpu.cfs_quota_us": "250000\n", f"{V1_FILES}/cpu.cfs_period_us": "50000\n"}, 5),
        (
            {
                "proc/self/cgroup": V1,
                f"{V1_FILES}/docker/abc/cpu.cfs_quota_us": "200000\n",
                f"{V1_FILES}/docker/abc/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        # the hybrid layout: version 1 has the controller, version 2 only the processes
        (
            {
                "proc/self/cgroup": "1:cpu:/x\n0::/x\n",
                "sys/fs/cgroup/cpu/x/cpu.cfs_quota_us": "100000",
                "sys/fs/cgroup/cpu/x/cpu.cfs_period_us": "100000",
            },
            1,
        ),
    ],
)
def test_limits_of_control_groups_are_obeyed(tmp_path: Path, files: dict[str, str], expected: int) -> None:
    for name, content in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    assert available_cpus(tmp_path) == expected


def printed(program: str, directory: Path, concurrency: str | None = None) -> str:
    environment = {name: value for name, value in os.environ.items() if name != "WEB_CONCURRENCY"} | {"TMPDIR": str(directory)}
    if concurrency is not None:
        environment["WEB_CONCURRENCY"] = concurrency
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True, cwd=ROOT, env=environment)
    return done.stdout.strip()


def test_the_affinity_of_the_process_is_obeyed(tmp_path: Path) -> None:
    one = min(os.sched_getaffinity(0))
    program = f"import os; os.sched_setaffinity(0, {{{one}}}); import settings.gunicorn as g; print(g.workers)"
    assert printed(program, tmp_path) == "1"


def test_the_number_of_processes_can_be_chosen(tmp_path: Path) -> None:
    assert printed("import settings.gunicorn as g; print(g.workers)", tmp_path, "7") == "7"
