"""One push under traces: a collector gets real OTLP over HTTP, and finds request, decision, SQL, Gitaly, tasks and delivery in one trace."""

import http.server
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest, ExportTraceServiceResponse
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.deployment.test_secrets import commits, company
from tests.gitaly_server import FakeGitaly, running
from tests.live.service import ROOT, Service, temporary_directory
from tests.receiver import Receiver, receiving
from tests.servers import START_SECONDS, PostgreSQL, free_port, wait_until

pytestmark = pytest.mark.deployment
TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{CALLER}-01", "X-Request-Id": "01HXYZ"}
PULL = {"key_id": 11, "project": "acme/rockets", "action": "git-upload-pack", "changes": "_any", "protocol": "ssh"}


class Collector:
    """Takes traces as an OpenTelemetry collector does, and keeps their spans."""

    def __init__(self) -> None:
        self.port = free_port()
        self.spans: list[Span] = []
        self.services: set[str] = set()
        self.raw = b""

    def take(self, body: bytes) -> bytes:
        message = ExportTraceServiceRequest.FromString(body)
        self.raw += body
        for resource in message.resource_spans:
            self.services |= {attribute.value.string_value for attribute in resource.resource.attributes if attribute.key == "service.name"}
            self.spans += [span for scope in resource.scope_spans for span in scope.spans]
        return ExportTraceServiceResponse().SerializeToString()

    def of_the_trace(self) -> dict[str, Span]:
        return {span.name: span for span in self.spans if span.trace_id.hex() == TRACE}


@contextmanager
def collecting() -> Iterator[Collector]:
    collector = Collector()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert (self.path, self.headers["Content-Type"]) == ("/v1/traces", "application/x-protobuf")
            answer = collector.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.send_header("Content-Type", "application/x-protobuf")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
            """Nothing on standard error."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", collector.port), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield collector
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def collector() -> Iterator[Collector]:
    with collecting() as running_collector:
        yield running_collector


@pytest.fixture
def gitaly(tmp_path: Path) -> Iterator[FakeGitaly]:
    with running(tmp_path / "repositories", token="the token of Gitaly") as server:
        yield server


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


@pytest.fixture
def service(collector: Collector, gitaly: FakeGitaly, receiver: Receiver) -> Iterator[Service]:
    """A service and its worker, both with traces on."""
    with ExitStack() as stack:
        database = PostgreSQL()
        stack.callback(database.remove)
        database.start()
        directory = temporary_directory()
        stack.callback(shutil.rmtree, directory, ignore_errors=True)
        variables = {
            "DATABASE_URL": database.url,
            "WEBHOOK_ALLOWED_TARGETS": "127.0.0.0/8",
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "OTEL_BSP_SCHEDULE_DELAY": "200",
            "OTEL_SERVICE_NAME": "git",
        }
        node = Service(directory, variables=variables)
        node.manage("migrate", "--verbosity", "0")
        node.manage("seed", "--rows-only", "-", text=json.dumps(company(gitaly, receiver)))
        node.start()
        stack.callback(node.stop)
        with (directory / "worker.log").open("wb") as log:
            worker = subprocess.Popen([sys.executable, "manage.py", "db_worker"], cwd=ROOT, env=node.environment, stderr=log)
        stack.callback(worker.wait, START_SECONDS)
        stack.callback(worker.terminate)
        yield node


def test_a_push_is_one_trace_from_the_caller_to_the_receiver(
    service: Service, collector: Collector, gitaly: FakeGitaly, receiver: Receiver
) -> None:
    where = service.ask("allowed", PULL).body["gitaly"]["repository"]["relative_path"]
    changes = commits(gitaly, where)
    push = {**PULL, "action": "git-receive-pack", "changes": changes, "gl_repository": "project-1"}
    assert service.ask("allowed", push, headers=HEADERS).status == 200
    assert str(gitaly.metadata["traceparent"]).split("-")[1] == TRACE
    report = {"gl_repository": "project-1", "identifier": "key-11", "changes": changes}
    assert service.ask("post_receive", report, headers=HEADERS).status == 200
    wanted = {
        "POST allowed",
        "decision",
        "gitaly CommitIsAncestor",
        "POST post_receive",
        "task follow_push",
        "task deliver",
        "webhook push",
    }
    wait_until(lambda: wanted <= set(collector.of_the_trace()), "the spans")
    spans = collector.of_the_trace()
    assert spans["POST allowed"].parent_span_id.hex() == spans["POST post_receive"].parent_span_id.hex() == CALLER
    assert spans["decision"].parent_span_id == spans["POST allowed"].span_id
    assert spans["gitaly CommitIsAncestor"].parent_span_id == spans["decision"].span_id
    assert spans["webhook push"].parent_span_id in {span.span_id for span in collector.spans}
    assert {name for name in spans if name.startswith("SQL ")} >= {"SQL SELECT", "SQL INSERT"}
    (received,) = receiver.received
    assert received.headers["traceparent"] == f"00-{TRACE}-{spans['webhook push'].span_id.hex()}-01"
    assert received.headers["X-Request-Id"] == "01HXYZ"
    assert collector.services == {"git"}
    for secret in (b"the webhook token", b"the token of Gitaly", service.shell_token().encode(), b"ann@example.com", b"refs/heads/main"):
        assert secret not in collector.raw
    lines = [json.loads(line) for line in (service.directory / "service.log").read_text().splitlines() if line.startswith("{")]
    assert {line["trace_id"] for line in lines if line.get("correlation_id") == "01HXYZ" and line["message"] == "request"} == {TRACE}


def test_a_collector_that_is_away_costs_no_request(service: Service, collector: Collector, tmp_path: Path) -> None:
    service.stop()
    service.environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = f"http://127.0.0.1:{free_port()}"
    service.start()
    assert {service.ask("allowed", PULL).status for _ in range(20)} == {200}
