"""What the service counts and measures, in Prometheus' terms; every name begins with `internal_api_`.

With several processes (gunicorn) each writes into PROMETHEUS_MULTIPROC_DIR and any of them answers for all. What the database
knows anyway, such as the length of the queue, is asked when /metrics is read: by collectors that the apps register.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest, multiprocess
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from internal_api.registrations import load_registrations
from internal_api.workers import queue_state

OURS = CollectorRegistry()
"""What this process counts."""
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 50.0)
_STATEMENTS = (0, 1, 2, 3, 5, 8, 13, 21, 50)

requests = Histogram(
    "internal_api_request_duration_seconds", "How long answering took", ("endpoint", "method", "status"), buckets=_SECONDS, registry=OURS
)
statements = Histogram("internal_api_request_statements", "SQL statements of a request", ("endpoint",), buckets=_STATEMENTS, registry=OURS)
decisions = Counter("internal_api_decisions", "Git commands by what was decided", ("action", "verdict", "reason"), registry=OURS)
git_http_requests = Counter(
    "internal_api_git_http_requests", "Requests of Git over HTTP by what came of them", ("command", "outcome"), registry=OURS
)
gitaly_calls = Histogram(
    "internal_api_gitaly_call_duration_seconds", "How long calls of Gitaly took", ("method", "code"), buckets=_SECONDS, registry=OURS
)
gitaly_refusals = Counter(
    "internal_api_gitaly_refusals", "Calls that were not made: too many wait (busy), or it did not answer (away)", ("why",), registry=OURS
)
rate_limit_hits = Counter("internal_api_rate_limit_hits", "Requests that came too often", ("limit",), registry=OURS)
refused_tokens = Counter("internal_api_refused_tokens", "Requests with a service token that proves nothing", ("caller",), registry=OURS)

_collectors: dict[str, Callable[[], Iterable[Metric]]] = {}


def register_collector(name: str, collect: Callable[[], Iterable[Metric]]) -> None:
    """Make known what the database is asked when the metrics are read."""
    _collectors[name] = collect


@lru_cache(maxsize=1024)
def _of_endpoint(endpoint: str, method: str, status: int) -> tuple[Histogram, Histogram]:
    """Looking labels up costs more than counting."""
    return requests.labels(endpoint, method, str(status)), statements.labels(endpoint)


def observe_request(endpoint: str, method: str, status: int, seconds: float, sql: int) -> None:
    """One request was answered. `endpoint` is a route, of which there are few, never an address."""
    duration, number = _of_endpoint(endpoint, method, status)
    duration.observe(seconds)
    number.observe(sql)


class _FromTheDatabase(Collector):
    """The registered collectors, for Prometheus' own interface."""

    def collect(self) -> Iterator[Metric]:
        load_registrations("metrics")
        for collect in _collectors.values():
            yield from collect()


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


def exposition() -> bytes:
    """Everything, as Prometheus reads it."""
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]  # the package's own
        counted = generate_latest(registry)
    else:
        counted = generate_latest(OURS)
    kept = CollectorRegistry()
    kept.register(_FromTheDatabase())
    return counted + generate_latest(kept)


def _background_work() -> Iterable[Metric]:
    state = queue_state()
    tasks = [({"state": name}, float(getattr(state, name))) for name in ("ready", "running", "failed")]
    yield gauge("internal_api_tasks", "Background tasks by state; failed ones are not tried again", tasks)
    yield gauge("internal_api_task_oldest_seconds", "How long the oldest task has waited", [({}, state.oldest_seconds)])
    yield gauge("internal_api_workers", "Workers that are alive", [({}, float(state.workers))])


def register() -> None:
    """Make the kernel's own collector known."""
    register_collector("background work", _background_work)
