"""Traces: nothing at all by default; spans of requests and queries, and traces that go on, where the environment asks for them."""

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.conf import settings as configured
from django.core.exceptions import ImproperlyConfigured
from django.db import connection
from django.test import Client
from django_tasks_db.models import DBTaskResult
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from pytest_django.fixtures import Settings

from accounts.models import SSHKey, User
from internal_api import tracing
from internal_api.logs import JSONFormatter
from internal_api.task_context import passed_on, running_task
from repositories.models import Project
from repositories.services.access import set_member
from repositories.services.after_push import follow_push
from repositories.services.authorization import authorize
from tests.factories import SSHKeyFactory

ROOT = Path(__file__).resolve().parents[2]
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{CALLER}-01"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch, settings: Settings, db: None) -> Iterator[InMemorySpanExporter]:
    """Traces are on, and kept in memory."""
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "ENABLED", True)
    settings.MIDDLEWARE = [*settings.MIDDLEWARE[:1], "internal_api.tracing_middleware.TracingMiddleware", *settings.MIDDLEWARE[1:]]
    tracing.trace_queries(connection)
    tracing.use(provider.get_tracer("tests"))
    yield exporter
    tracing.use(None)
    connection.execute_wrappers.remove(tracing.trace_query)
    provider.shutdown()


def finished(spans: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in spans.get_finished_spans()}


def trace_of(span: ReadableSpan) -> str:
    assert span.context is not None
    return f"{span.context.trace_id:032x}"


def parent_of(span: ReadableSpan) -> str:
    return f"{span.parent.span_id:016x}" if span.parent else ""


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    set_member(rockets, ann, 30)
    return SSHKeyFactory.create(user=ann)


@pytest.mark.parametrize(
    ("environment", "wanted"),
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "x"}, False),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, True),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:4318/v1/traces"}, True),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
        ({"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318"}, False),
    ],
)
def test_the_environment_asks_for_traces_as_the_specification_has_it(environment: dict[str, str], wanted: bool) -> None:
    assert tracing.is_wanted(environment) is wanted


def test_without_them_nothing_is_put_around_anything(db: None) -> None:
    def function() -> None:
        """Whatever it is."""

    assert tracing.traced("x")(function) is function
    assert not hasattr(authorize, "__wrapped__")
    assert not [name for name in configured.MIDDLEWARE if "tracing" in name]
    assert tracing.trace_query not in connection.execute_wrappers
    assert set(passed_on()) == {"request_id"}


@pytest.mark.once
def test_without_them_opentelemetry_is_not_even_loaded() -> None:
    program = "import settings.wsgi, sys; print([name for name in sys.modules if name.startswith('opentelemetry')])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "[]\n"


def test_a_request_goes_on_with_its_callers_trace(spans: InMemorySpanExporter, key: SSHKey, shell: Client) -> None:
    values = {"key_id": key.pk, "project": "acme/rockets", "action": "git-upload-pack", "changes": "_any", "protocol": "ssh"}
    spans.clear()
    answer = shell.post(
        "/api/v4/internal/allowed",
        values,
        content_type="application/json",
        headers={"traceparent": TRACEPARENT, "x-request-id": "01HXYZ"},
    )
    assert answer.status_code == 200
    request = finished(spans)["POST allowed"]
    assert (trace_of(request), parent_of(request), request.kind.name) == (TRACE, CALLER, "SERVER")
    told = dict(request.attributes or {})
    assert told["http.response.status_code"] == 200
    assert told["control_plane.request_id"] == "01HXYZ"
    assert (told["control_plane.actor"], told["control_plane.verdict"]) == (f"user-{key.user_id}", "allowed")
    assert request.context is not None
    queries = [span for span in spans.get_finished_spans() if span.name.startswith("SQL ")]
    assert queries
    assert {parent_of(query) for query in queries} == {f"{request.context.span_id:016x}"}


def test_a_query_is_told_without_its_values(spans: InMemorySpanExporter) -> None:
    User.objects.filter(email="ann@example.com").exists()
    text = str(dict(finished(spans)["SQL SELECT"].attributes or {})["db.query.text"])
    assert "accounts_user" in text
    assert "ann@example.com" not in text


@pytest.mark.parametrize("traceparent", ["", "00-0-0-00", "x" * 300, f"00-{TRACE}-{'0' * 16}-01"])
def test_a_traceparent_that_cannot_be_read_begins_a_trace(spans: InMemorySpanExporter, stranger: Client, traceparent: str) -> None:
    spans.clear()
    assert Client().get("/livez", headers={"traceparent": traceparent}).status_code == 200
    (request,) = (span for span in spans.get_finished_spans() if span.kind.name == "SERVER")
    assert (parent_of(request), trace_of(request) != TRACE) == ("", True)


def test_a_traced_function_is_a_span_with_what_its_arguments_tell(spans: InMemorySpanExporter) -> None:
    @tracing.traced(lambda number, **_: f"work {number}", "CLIENT", lambda number, **_: {"number": number, "nothing": None})
    def work(number: int, *, fails: bool) -> int:
        if fails:
            raise ValueError(number)
        return number * 2

    assert work(2, fails=False) == 4
    with pytest.raises(ValueError, match="3"):
        work(3, fails=True)
    found = finished(spans)
    assert dict(found["work 2"].attributes or {}) == {"number": 2}
    assert (found["work 2"].status.is_ok, found["work 3"].status.is_ok) == (True, False)


def test_a_task_goes_on_with_the_trace_and_the_request_id_it_was_made_in(spans: InMemorySpanExporter) -> None:
    with tracing.span("request", parent=TRACEPARENT):
        passed = passed_on()
        follow_push.enqueue(0, **{**passed, "request_id": "01HXYZ"})
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    logger = logging.getLogger("tests.tracing")
    logger.addHandler(handler)
    with running_task(DBTaskResult.objects.get()):
        logger.warning("a line of the task")
    logger.removeHandler(handler)
    task = finished(spans)["task follow_push"]
    assert (trace_of(task), task.kind.name) == (TRACE, "CONSUMER")
    assert parent_of(task) == passed["traceparent"].split("-")[2]
    assert json.loads(stream.getvalue())["correlation_id"] == "01HXYZ"


def test_an_exporter_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "ENABLED", True)
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "jaeger")
    with pytest.raises(ImproperlyConfigured, match="must be otlp or none, not 'jaeger'"):
        tracing.start()


def test_traces_without_the_extra_refuse_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tracing, "ENABLED", True)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with pytest.raises(ImproperlyConfigured, match=r"requirements/tracing\.txt"):
        tracing.start()
