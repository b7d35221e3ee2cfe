"""Strangers at every door at once, and what a pull waits meanwhile. docs/reliability.md.

The test checks that pulls are answered and strangers are refused; `make chaos` prints how long both took.
"""

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.live.service import ROOT, Service
from tests.live.strangers import DOORS
from tests.live.test_faults import PULL, Load, serving

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
SECONDS = float(os.environ.get("STRANGERS_SECONDS", "2"))
EACH = 4


@dataclass
class Pulls:
    """What somebody who pulls over and over, on one connection, was answered, and after how many milliseconds."""

    statuses: set[int] = field(default_factory=set)
    waits: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.waits)

    def __str__(self) -> str:
        return f"p50 {self.median:.1f} ms, longest {max(self.waits):.0f} ms, of {len(self.waits)}"


def pulls(load: Load, seconds: float) -> Pulls:
    found, end = Pulls(), time.monotonic() + seconds
    headers = {"Content-Type": "application/json", "Gitlab-Shell-Api-Request": load.token}
    with closing(HTTPConnection("127.0.0.1", load.port, timeout=300)) as connection:
        while time.monotonic() < end:
            began = time.monotonic()
            connection.request("POST", "/api/v4/internal/allowed", json.dumps(PULL), headers)
            response = connection.getresponse()
            response.read()
            found.statuses.add(response.status)
            found.waits.append((time.monotonic() - began) * 1000)
            time.sleep(0.01)
    return found


def processor_seconds(service: Service) -> float:
    """What the service's processes have used of the processor, those that have ended left out."""
    ticks, parent = 0, service.process.pid if service.process else 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = stat.read_text().rpartition(") ")[2].split()
            ticks += int(fields[11]) + int(fields[12]) if int(fields[1]) == parent else 0
    return ticks / os.sysconf("SC_CLK_TCK")


@contextmanager
def besieged(port: int, *doors: str) -> Iterator[dict[str, dict[str, int]]]:
    """Have strangers at the doors while the block runs; what they were answered is there afterwards."""
    command = [sys.executable, "-m", "tests.live.strangers", str(port), "--each", str(EACH), *doors]
    told: dict[str, dict[str, int]] = {}
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        time.sleep(0.5)
        yield told
    finally:
        answers, _ = process.communicate(timeout=300)
        told.update(json.loads(answers))


EXPECTED = {"descriptions": {"200", "503"}, "sign-in": {"200"}}
"""Answers other than 4xx: what everybody may read, which is rendered by one thread at a time; the form again, with the refusal."""


@pytest.mark.parametrize("doors", [*([door] for door in DOORS), list(DOORS)], ids=lambda doors: doors[0] if len(doors) == 1 else "all")
def test_pulls_go_on_while_strangers_are_at_the_doors(doors: list[str]) -> None:
    with serving() as (service, load):
        service.seed({"instance": {"gitlab_shell_operation_limit": 0}})
        pulls(load, 0.5)
        quiet = pulls(load, SECONDS)
        with besieged(load.port, *doors) as told:
            used, began = processor_seconds(service), time.monotonic()
            busy = pulls(load, SECONDS)
            used = (processor_seconds(service) - used) / (time.monotonic() - began)
    load.tell(
        f"{EACH} strangers each at: {', '.join(doors)}",
        quiet=quiet,
        busy=busy,
        ratio=round(busy.median / quiet.median, 1),
        processors=round(used, 2),
        told=told,
        load=os.getloadavg()[0],
    )
    assert quiet.statuses == busy.statuses == {200}
    for door, answers in told.items():
        assert {status for status in answers if not status.startswith("4")} <= EXPECTED.get(door, set()), door
    assert doors == ["sign-in"] or any(told.values()), "a password is hashed when nobody else needs the processor"
