"""Where the service bends: requests per second against p99 as connections grow, with one, two and four workers."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.cases import mixed
from benchmarks.load import LoadError, Measured, play, write_requests
from benchmarks.stage import Stage

WORKERS = (1, 2, 4)
CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128)
PASSES = 3
"""Over all connections, one after the other; a point is the median of them."""


@dataclass(frozen=True, slots=True)
class Point:
    """One load; times in milliseconds."""

    workers: int
    connections: int
    per_second: float
    p50: float
    p99: float


def _point(workers: int, connections: int, loads: Sequence[Measured]) -> Point:
    return Point(workers, connections, *(median(getattr(load, name) for load in loads) for name in ("per_second", "p50", "p99")))


def find_knee(stage: Stage, *, seconds: int) -> list[Point]:
    """A curve for each number of workers, of mixed Git traffic. Raises LoadError when requests are refused."""
    requests = write_requests(stage.directory / "mixed", mixed(stage.large, stage.credentials))
    points: list[Point] = []
    for workers in WORKERS:
        server = stage.with_workers(workers)
        server.start()
        try:
            play(server.port, requests, seconds=2)
            passes = [[play(server.port, requests, seconds=seconds, connections=number) for number in CONNECTIONS] for _ in range(PASSES)]
            points += [_point(workers, number, loads) for number, *loads in zip(CONNECTIONS, *passes, strict=True)]
        finally:
            server.stop()
    if not points:
        raise LoadError("Nothing was measured.")
    return points
