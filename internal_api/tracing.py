"""OpenTelemetry's traces of requests, decisions, SQL, calls of Gitaly, tasks and deliveries, where the environment asks for them.

Off by default, and then it costs nothing: `traced` returns the function that it is given, and no layer is put around requests and
queries. OTEL_EXPORTER_OTLP_ENDPOINT (or OTEL_TRACES_EXPORTER) switches it on; OTEL_SERVICE_NAME, OTEL_TRACES_SAMPLER and the rest of
the OTEL_* variables are the SDK's. Needs the extra `tracing`. Spans hold no query's values, no path beyond the route and no header.
"""

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span, Tracer

logger = logging.getLogger(__name__)
P = ParamSpec("P")
R = TypeVar("R")
TRACEPARENT = "traceparent"
LONGEST_QUERY = 2000
LONGEST_TRACEPARENT = 55
"""Of version 00 (W3C Trace Context); longer ones of later versions are read as far as that."""


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether the environment asks for traces."""
    if environment.get("OTEL_SDK_DISABLED", "").strip().lower() == "true" or environment.get("OTEL_TRACES_EXPORTER") == "none":
        return False
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_TRACES_EXPORTER")
    return any(environment.get(name) for name in names)


ENABLED = is_wanted()
_tracer: "Tracer | None" = None


def start(processor: "SpanProcessor | None" = None) -> None:
    """Let this process send its spans, in the background, to the OTLP endpoint of the environment. Called after a fork.

    Raises ImproperlyConfigured where traces are asked for and the extra is not installed.
    """
    if not ENABLED or (_tracer is not None and processor is None):
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415  an extra
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415  likewise
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  likewise
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  likewise
    except ImportError as error:
        raise ImproperlyConfigured(
            "OTEL_* asks for traces, and OpenTelemetry is not installed: pip install --require-hashes -r requirements/tracing.txt."
        ) from error
    exporter = os.environ.get("OTEL_TRACES_EXPORTER") or "otlp"
    if exporter != "otlp":
        raise ImproperlyConfigured(f"OTEL_TRACES_EXPORTER must be otlp or none, not {exporter!r}.")
    provider = TracerProvider(resource=Resource.create({"service.name": os.environ.get("OTEL_SERVICE_NAME") or "control-plane"}))
    provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
    use(provider.get_tracer("control-plane"))
    logger.info("Traces are sent by OTLP")


def use(tracer: "Tracer | None") -> None:
    """Make spans with this tracer; with None, make none."""
    global _tracer  # noqa: PLW0603  one for the process, made after its fork
    _tracer = tracer


@contextmanager
def span(
    name: str, kind: str = "INTERNAL", attributes: Mapping[str, Any] | None = None, *, parent: str | None = None
) -> "Iterator[Span | None]":
    """Make a span of what the block does, below the present one, or below the one that a traceparent names.

    `kind` is the name of one of OpenTelemetry's. Yields None while no spans are made.
    """
    if _tracer is None:
        yield None
        return
    from opentelemetry.trace import SpanKind  # noqa: PLC0415  an extra

    told = {key: value for key, value in (attributes or {}).items() if value not in (None, "")}
    with _tracer.start_as_current_span(name, _context_of(parent), SpanKind[kind], told) as current:
        yield current


def _context_of(traceparent: str | None) -> "Context | None":
    """The context of a traceparent; None, which is the present one, for none or one that cannot be read."""
    if not traceparent:
        return None
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  an extra

    return TraceContextTextMapPropagator().extract({TRACEPARENT: traceparent[:LONGEST_TRACEPARENT]})


def traceparent() -> str:
    """Return what names the present span to others; empty while no spans are made."""
    if _tracer is None:
        return ""
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator  # noqa: PLC0415  an extra

    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier)
    return carrier.get(TRACEPARENT, "")


def traced(
    name: str | Callable[..., str], kind: str = "INTERNAL", describe: Callable[..., dict[str, Any]] | None = None
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let each call of a function be a span; its name and attributes may come from the arguments. Without traces: the function itself."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        if not ENABLED:
            return function

        @wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            shown = name if isinstance(name, str) else name(*args, **kwargs)
            with span(shown, kind, describe(*args, **kwargs) if describe else None):
                return function(*args, **kwargs)

        return call

    return decorate


def trace_query(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
    """Run a query of Django's in a span of its own, with the text that has no values in it."""
    text = " ".join(str(sql).split())
    told = {"db.system.name": context["connection"].vendor, "db.query.text": text[:LONGEST_QUERY]}
    with span(f"SQL {text.partition(' ')[0].upper()}", "CLIENT", told):
        return execute(sql, params, many, context)


def trace_queries(connection: Any, **_: Any) -> None:
    """Receiver of `connection_created`."""
    if trace_query not in connection.execute_wrappers:
        connection.execute_wrappers.append(trace_query)
