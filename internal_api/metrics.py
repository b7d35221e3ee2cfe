"""What the service counts and measures, in Prometheus' terms; every name begins with `internal_api_`.

/metrics tells what the processes of one node have counted, and the state of what that node depends on. With several processes
(gunicorn) each counts in PROMETHEUS_MULTIPROC_DIR and any of them answers for all. What holds for the whole installation, such as the
length of the queue, is told by /metrics/database (internal_api/database_metrics.py), so that it is told once.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from internal_api.metrics_directory import VARIABLE, reading

OURS = CollectorRegistry()
"""What this process counts."""
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 50.0)
_STATEMENTS = (0, 1, 2, 3, 5, 8, 13, 21, 50)

requests = Histogram(
    "internal_api_request_duration_seconds", "How long answering took", ("endpoint", "method", "status"), buckets=SECONDS, registry=OURS
)
statements = Histogram("internal_api_request_statements", "SQL statements of a request", ("endpoint",), buckets=_STATEMENTS, registry=OURS)
decisions = Counter("internal_api_decisions", "Git commands by what was decided", ("action", "verdict", "reason"), registry=OURS)
git_http_requests = Counter(
    "internal_api_git_http_requests", "Requests of Git over HTTP by what came of them", ("command", "outcome"), registry=OURS
)
gitaly_calls = Histogram(
    "internal_api_gitaly_call_duration_seconds", "How long calls of Gitaly took", ("method", "code"), buckets=SECONDS, registry=OURS
)
gitaly_refusals = Counter(
    "internal_api_gitaly_refusals", "Calls that were not made: too many wait (busy), or it did not answer (away)", ("why",), registry=OURS
)
lfs_requests = Counter("internal_api_lfs_requests", "Requests of Git LFS by kind and status", ("kind", "status"), registry=OURS)
lfs_bytes = Counter(
    "internal_api_lfs_bytes",
    "Bytes of LFS objects that were uploaded, or handed out to be downloaded, by who moved them",
    ("direction", "by"),
    registry=OURS,
)
rate_limit_hits = Counter("internal_api_rate_limit_hits", "Requests that came too often", ("limit",), registry=OURS)
replica_fallbacks = Counter(
    "internal_api_replica_fallbacks",
    "Questions for the replica that the primary answered, by the replica's condition",
    ("condition",),
    registry=OURS,
)
redis_fallbacks = Counter(
    "internal_api_redis_fallbacks",
    "What went on without Redis: kept in the database, counted by one process, or left out",
    ("use",),
    registry=OURS,
)
refused_tokens = Counter("internal_api_refused_tokens", "Requests with a service token that proves nothing", ("caller",), registry=OURS)


@lru_cache(maxsize=1024)
def _of_endpoint(endpoint: str, method: str, status: int) -> tuple[Histogram, Histogram]:
    """Looking labels up costs more than counting."""
    return requests.labels(endpoint, method, str(status)), statements.labels(endpoint)


def observe_request(endpoint: str, method: str, status: int, seconds: float, sql: int) -> None:
    """One request was answered. `endpoint` is a route, of which there are few, never an address."""
    duration, number = _of_endpoint(endpoint, method, status)
    duration.observe(seconds)
    number.observe(sql)


def gauge(name: str, help_text: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    """A gauge with a value for each set of labels."""
    return _filled(GaugeMetricFamily(name, help_text, labels=None), values)


def counter(name: str, help_text: str, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    """A counter that somebody else keeps."""
    family = CounterMetricFamily(name, help_text)
    for labels, value in values:
        family.add_sample(f"{name}_total", labels, value)
    return family


def _filled(family: Metric, values: Iterable[tuple[dict[str, str], float]]) -> Metric:
    for labels, value in values:
        family.add_sample(family.name, labels, value)
    return family


class _Now(Collector):
    """Collects what a function finds at the moment it is asked."""

    def __init__(self, find: Callable[[], Iterable[Metric]]) -> None:
        self._find = find

    def collect(self) -> Iterator[Metric]:
        yield from self._find()


def exposition_of(find: Callable[[], Iterable[Metric]]) -> bytes:
    """Return what a function finds now, as Prometheus reads it."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Now(find))
    return generate_latest(registry)


def counted() -> bytes:
    """Return what the processes of this node have counted, as Prometheus reads it."""
    directory = os.environ.get(VARIABLE)
    if not directory:
        return generate_latest(OURS)
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry, directory)  # type: ignore[no-untyped-call]  # the package's own
    with reading(directory):
        return generate_latest(registry)
