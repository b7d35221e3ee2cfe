"""A steady stream of mixed Git traffic: what 50,000 users do at their busiest, and how much of the machine that takes."""

import queue
import statistics
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from http.client import HTTPConnection

from benchmarks.cases import mixed
from benchmarks.load import Recorded
from benchmarks.processes import cpu_seconds
from benchmarks.stage import Stage

CLIENTS = 24


@dataclass(frozen=True, slots=True)
class Steady:
    """What it took. CPU in seconds per second, so 2.0 is all of two cores; times in milliseconds."""

    asked_per_second: float
    answered_per_second: float
    service_cpu: float
    database_cpu: float
    redis_cpu: float
    p50: float
    p99: float
    refused: int

    @property
    def cpu(self) -> float:
        """All that answering took."""
        return self.service_cpu + self.database_cpu + self.redis_cpu


class _Stream:
    """Clients that ask when the clock says so, not when they have been answered."""

    def __init__(self, port: int, requests: Sequence[Recorded], per_second: float) -> None:
        self.port, self.requests, self.per_second = port, requests, per_second
        self.due: queue.SimpleQueue[tuple[float, Recorded] | None] = queue.SimpleQueue()
        self.milliseconds: list[float] = []
        self.refused = 0

    def _client(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        while (item := self.due.get()) is not None:
            moment, request = item
            headers = {**request.headers, **({"Content-Type": "application/json"} if request.body else {})}
            connection.request(request.method, request.path, request.body or None, headers)
            response = connection.getresponse()
            response.read()
            self.milliseconds.append((time.perf_counter() - moment) * 1000)
            self.refused += response.status != 200  # noqa: PLR2004  OK
        connection.close()

    def run(self, seconds: float) -> float:
        """Play for that long; how long it really took."""
        clients = [threading.Thread(target=self._client) for _ in range(CLIENTS)]
        for client in clients:
            client.start()
        started = time.perf_counter()
        for number in range(int(seconds * self.per_second)):
            moment = started + number / self.per_second
            time.sleep(max(moment - time.perf_counter(), 0))
            self.due.put((moment, self.requests[number % len(self.requests)]))
        for _ in clients:
            self.due.put(None)
        for client in clients:
            client.join()
        return time.perf_counter() - started


def steady(stage: Stage, *, per_second: float = 300, seconds: float = 20) -> Steady:
    """Ask that often, whatever the answers take."""
    requests = mixed(stage.large, stage.credentials)
    _Stream(stage.service.port, requests, per_second).run(2)
    stream = _Stream(stage.service.port, requests, per_second)
    before = [cpu_seconds(pid) for pid in (stage.service.pid, stage.database_pid, stage.redis_pid)]
    took = stream.run(seconds)
    after = [cpu_seconds(pid) for pid in (stage.service.pid, stage.database_pid, stage.redis_pid)]
    service, database, redis = ((end - start) / took for start, end in zip(before, after, strict=True))
    times = statistics.quantiles(stream.milliseconds, n=100)
    return Steady(per_second, len(stream.milliseconds) / took, service, database, redis, times[49], times[98], stream.refused)
