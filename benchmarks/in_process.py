"""Service, plain Django view and floor in one process, without a server: CPU by turns, and Python calls.

`python -m benchmarks.in_process FILE` runs in the environment of the service; FILE holds recorded requests. Prints JSON.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.calling import Application, ask, environ, log_to_nowhere, python_calls
from benchmarks.load import Recorded

ROUNDS, WARM_UP = 20, 200


@dataclass(frozen=True, slots=True)
class InProcess:
    """One application: CPU milliseconds a request, of which the ratios are medians of each round's, and Python calls."""

    name: str
    cpu: float
    times_reference: float
    times_floor: float
    calls: int


def _environs(requests: Sequence[Recorded]) -> list[dict[str, Any]]:
    return [environ(request.method, request.path, request.body, request.headers) for request in requests]


def _cpu(application: Application, requests: Sequence[Recorded]) -> float:
    environs = _environs(requests)
    started = time.process_time()
    for one in environs:
        ask(application, one)
    return (time.process_time() - started) * 1000 / len(requests)


def compare(applications: Mapping[str, Application], requests: Sequence[Recorded]) -> list[InProcess]:
    """By turns in random order. Raises RuntimeError when they do not answer alike."""
    first = requests[:WARM_UP]
    answers = {name: [json.loads(ask(one, request)) for request in _environs(first)] for name, one in applications.items()}
    if any(answer != answers["floor"] for answer in answers.values()):
        raise RuntimeError("The applications do not answer alike.")
    found: dict[str, list[float]] = {name: [] for name in applications}
    for _ in range(ROUNDS):
        for name in random.sample(list(applications), len(applications)):
            found[name].append(_cpu(applications[name], requests[:500]))

    def times(name: str, other: str) -> float:
        each: list[float] = [ours / theirs for ours, theirs in zip(found[name], found[other], strict=True)]
        return statistics.median(each)

    return [
        InProcess(name, statistics.median(found[name]), times(name, "reference"), times(name, "floor"), python_calls(one, _environs(first)))
        for name, one in applications.items()
    ]


def measured(environment: Mapping[str, str], requests: Sequence[Recorded], directory: Path) -> list[InProcess]:
    """The same in a process of its own, which has the service's environment."""
    file = directory / "in_process.json"
    file.write_text(json.dumps([{**asdict(request), "body": request.body.decode()} for request in requests]))
    command = [sys.executable, "-m", "benchmarks.in_process", str(file)]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"in_process failed: {done.stderr[-2000:]}")
    return [InProcess(**one) for one in json.loads(done.stdout)]


def main() -> None:
    """Compare, and print what was found."""
    from settings.wsgi import application  # noqa: PLC0415  needs the environment

    log_to_nowhere()
    from benchmarks.floor import configured  # noqa: PLC0415  likewise
    from benchmarks.reference import Reference  # noqa: PLC0415  likewise

    read = json.loads(Path(sys.argv[1]).read_text())
    requests = [Recorded(one["method"], one["path"], one["headers"], one["body"].encode()) for one in read]
    found = compare({"service": application, "reference": Reference(), "floor": configured()}, requests)
    sys.stdout.write(json.dumps([asdict(one) for one in found]))


if __name__ == "__main__":
    main()
