"""How many CPUs this process may use: its affinity and the limits of its control groups, not the number that the machine has.

A container of half a CPU on a machine of 64 would otherwise start 64 processes, each with connections of its own.
"""

import math
import os
from collections.abc import Iterator
from pathlib import Path


def available_cpus(root: Path = Path("/")) -> int:
    """Return the number of CPUs this process may keep busy, at least 1; part of one counts as one, as in Go and Java.

    `root` is where /proc and /sys/fs/cgroup are looked for.
    """
    limits = [float(_affinity()), *_quotas(root)]
    return max(1, math.ceil(min(limits)))


def _affinity() -> int:
    """CPUs that the scheduler may run this process on: cpusets, `taskset` and systemd's CPUAffinity."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _quotas(root: Path) -> Iterator[float]:
    """Yield the CPU limit of each control group that this process is in, as a number of CPUs."""
    for line in _text(root / "proc/self/cgroup").splitlines():
        _, controllers, path = [*line.split(":", 2), "", ""][:3]
        if not controllers:
            yield from filter(None, map(_v2_quota, _groups(root / "sys/fs/cgroup", path)))
        elif "cpu" in controllers.split(","):
            for mount in (controllers, "cpu"):
                yield from filter(None, map(_v1_quota, _groups(root / "sys/fs/cgroup" / mount, path)))


def _groups(mount: Path, path: str) -> Iterator[Path]:
    """Yield a group and all above it. Inside a container the path may be the host's: then the mount itself is the group."""
    group = mount / path.strip("/")
    while mount in group.parents:
        if ".." not in group.parts:
            yield group
        group = group.parent
    yield mount


def _v2_quota(group: Path) -> float | None:
    """The limit in `cpu.max`, such as `150000 100000`, or `max 100000` for none."""
    quota, _, period = _text(group / "cpu.max").partition(" ")
    return _ratio(quota, period)


def _v1_quota(group: Path) -> float | None:
    """The limit in `cpu.cfs_quota_us`, -1 for none, by `cpu.cfs_period_us`."""
    return _ratio(_text(group / "cpu.cfs_quota_us"), _text(group / "cpu.cfs_period_us"))


def _ratio(quota: str, period: str) -> float | None:
    try:
        ratio = int(quota) / int(period)
    except (ValueError, ZeroDivisionError):
        return None
    return ratio if ratio > 0 else None


def _text(path: Path) -> str:
    """What a file says, or nothing: not every machine has every file."""
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
