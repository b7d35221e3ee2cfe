"""Floor and service side by side over the wire: the method of docs/performance.md, and what it found as rows."""

import random
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection
from json import loads
from pathlib import Path

from benchmarks.cases import Case
from benchmarks.load import LoadError, Recorded, play, write_requests
from benchmarks.processes import Gunicorn, cpu_seconds
from benchmarks.stage import Stage

COMPARED, CONNECTIONS, MANY, MANY_SLICES = 50, 8, 16, 5
_UNSTEADY = 1.33
"""A round in which the floor changed by more than this between its beginning and its end is left out."""


@dataclass(frozen=True, slots=True)
class Slice:
    """One server under load for a moment. CPU in milliseconds per request."""

    per_second: float
    p50: float
    p99: float
    cpu: float
    database_cpu: float
    redis_cpu: float


@dataclass(frozen=True, slots=True)
class Row:
    """One case. The ratios are medians of those of each round; `same` is one service against another just like it."""

    case: str
    close: bool
    rounds: int
    statements: int | None
    floor: Slice
    service: Slice
    times_floor_cpu: float
    of_floor_throughput: float
    same_cpu: float
    little_cpu: float | None
    target: float | None
    p50_of_many: float | None = None
    p99_of_many: float | None = None


def answer_of(port: int, request: Recorded) -> tuple[int, object]:
    """Ask once."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        headers = {**request.headers, **({"Content-Type": "application/json"} if request.body else {})}
        connection.request(request.method, request.path, request.body or None, headers)
        response = connection.getresponse()
        content = response.read()
        return response.status, loads(content) if content else None
    finally:
        connection.close()


def check_same_answers(case: Case, requests: Sequence[Recorded], floor: Gunicorn, service: Gunicorn) -> None:
    """What is compared does the same. Raises LoadError."""
    for request in requests[:COMPARED]:
        ours, theirs = answer_of(service.port, request), answer_of(floor.port, request)
        if ours != theirs or ours[0] != 200:  # noqa: PLR2004  OK
            raise LoadError(f"{case.name}: the service answered {ours}, the floor {theirs}.")


def _measured(stage: Stage, server: Gunicorn, requests: Path, seconds: int, connections: int) -> Slice:
    before = [cpu_seconds(pid) for pid in (server.pid, stage.database_pid, stage.redis_pid)]
    load = play(server.port, requests, seconds=seconds, connections=connections)
    after = [cpu_seconds(pid) for pid in (server.pid, stage.database_pid, stage.redis_pid)]
    used = [(end - start) * 1000 / load.requests for start, end in zip(before, after, strict=True)]
    return Slice(load.per_second, load.p50, load.p99, *used)


def _median(slices: Sequence[Slice]) -> Slice:
    return Slice(*(statistics.median(getattr(one, name) for one in slices) for name in Slice.__slots__))


def measure(stage: Stage, case: Case, *, close: bool, rounds: int, seconds: int, statements: int | None) -> Row:
    """Rounds of slices: the floor, the others in random order, the floor again. Raises LoadError when most rounds were unsteady."""
    requests = case.requests(stage.large, stage.credentials)
    check_same_answers(case, requests, stage.floor, stage.service)
    played = write_requests(stage.directory / "requests", requests, close=close)
    few = write_requests(stage.directory / "few", case.requests(stage.small, stage.credentials), close=close)
    servers = {"service": stage.service, "copy": stage.copy, **({} if close else {"little": stage.little})}
    for server in (stage.floor, *servers.values()):
        play(server.port, few if server is stage.little else played, seconds=3)
    found: dict[str, list[Slice]] = {name: [] for name in ("floor", *servers)}
    tried = 0
    while len(found["floor"]) < rounds and tried < rounds * 2:
        tried += 1
        first = _measured(stage, stage.floor, played, seconds, CONNECTIONS)
        order = list(servers)
        random.shuffle(order)
        one_round = {name: _measured(stage, servers[name], few if name == "little" else played, seconds, CONNECTIONS) for name in order}
        last = _measured(stage, stage.floor, played, seconds, CONNECTIONS)
        if not 1 / _UNSTEADY <= first.cpu / last.cpu <= _UNSTEADY:
            continue
        for name, one in {**one_round, "floor": Slice(*((a + b) / 2 for a, b in zip(_values(first), _values(last), strict=True)))}.items():
            found[name].append(one)
    if not found["floor"]:
        raise LoadError(f"{case.name}: the machine was too unsteady in all of {tried} rounds.")
    many = None if close else _median([_measured(stage, stage.service, played, seconds, MANY) for _ in range(MANY_SLICES)])
    return Row(
        case=case.name,
        close=close,
        rounds=len(found["floor"]),
        statements=statements,
        floor=_median(found["floor"]),
        service=_median(found["service"]),
        times_floor_cpu=_ratio(found["service"], found["floor"], "cpu"),
        of_floor_throughput=_ratio(found["service"], found["floor"], "per_second"),
        same_cpu=_ratio(found["copy"], found["service"], "cpu"),
        little_cpu=_ratio(found["service"], found["little"], "cpu") if "little" in found else None,
        target=case.target,
        p50_of_many=many.p50 if many else None,
        p99_of_many=many.p99 if many else None,
    )


def _values(one: Slice) -> tuple[float, ...]:
    return tuple(getattr(one, name) for name in Slice.__slots__)


def _ratio(ours: Sequence[Slice], theirs: Sequence[Slice], name: str) -> float:
    each: list[float] = [getattr(our, name) / getattr(their, name) for our, their in zip(ours, theirs, strict=True)]
    return statistics.median(each)


def statements_of(stage: Stage, case: Case) -> int | None:
    """SQL statements of one request when all is warm, from the service's own log line."""
    log, request = stage.directory / "service.log", case.requests(stage.large, stage.credentials)[0]
    for _ in range(20):  # each thread of each worker has read the settings then
        answer_of(stage.service.port, request)
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - 4000, 0))
        lines = [line for line in file.read().splitlines() if line.startswith(b"{")]
    counted: int | None = loads(lines[-1]).get("statements") if lines else None
    return counted
