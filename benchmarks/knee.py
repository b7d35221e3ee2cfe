"""Where the service bends: requests per second against p99 as connections grow, with one, two and four workers."""

from dataclasses import dataclass

from benchmarks.cases import mixed
from benchmarks.load import LoadError, play, write_requests
from benchmarks.stage import Stage

WORKERS = (1, 2, 4)
CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128)


@dataclass(frozen=True, slots=True)
class Point:
    """One load; times in milliseconds."""

    workers: int
    connections: int
    per_second: float
    p50: float
    p99: float


def find_knee(stage: Stage, *, seconds: int) -> list[Point]:
    """A curve for each number of workers, of mixed Git traffic. Raises LoadError when requests are refused."""
    requests = write_requests(stage.directory / "mixed", mixed(stage.large, stage.credentials))
    points = []
    for workers in WORKERS:
        server = stage.with_workers(workers)
        server.start()
        try:
            play(server.port, requests, seconds=2)
            for connections in CONNECTIONS:
                load = play(server.port, requests, seconds=seconds, connections=connections)
                points.append(Point(workers, connections, load.per_second, load.p50, load.p99))
        finally:
            server.stop()
    if not points:
        raise LoadError("Nothing was measured.")
    return points
