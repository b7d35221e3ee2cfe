"""What the doctor finds: each thing that may be wrong, and what to do about it."""

import json
import socketserver
import ssl
import subprocess
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import call_command
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from internal_api.doctor import Consultation, Finding, Level, examine
from internal_api.models import TaskWorker
from internal_api.shared_store import StoreState
from internal_api.shared_store.database import DatabaseStore
from repositories.models import Project, Storage
from repositories.services.after_push import follow_push
from tests.conftest import SHELL_SECRET
from tests.gitaly_server import running

HEALTHY = {"api_version": "v4", "gitlab_version": "18.9.0", "gitlab_rev": "x", "redis": True}


class Answering:
    """A server that gives one answer, and a page of its own to `Host: unix`."""

    def __init__(self) -> None:
        self.status, self.body, self.headers, self.unix_status = 200, json.dumps(HEALTHY), {}, 200  # type: tuple[int, str, dict[str, str], int]
        self.port = 0
        self.asked: list[tuple[bool, str]] = []
        """Of each call, whether it had a token, and the host that it named."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def server() -> Iterator[Answering]:
    answering = Answering()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answering.asked.append(("Gitlab-Shell-Api-Request" in self.headers, self.headers["Host"].partition(":")[0]))
            self.send_response(answering.unix_status if self.headers["Host"] == "unix" else answering.status)
            for name, value in answering.headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answering.body.encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  the parent's name
            """Nothing on standard error."""

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        answering.port = listening.server_address[1]
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield answering
        listening.shutdown()
        thread.join()


def found(name: str, **options: Any) -> Finding:
    findings = [finding for finding in examine(Consultation(**options)) if finding.name == name]
    assert findings, name
    return findings[0]


def test_a_service_that_answers_is_well(db: None, server: Answering) -> None:
    assert found(server.url, urls=[server.url]) == Finding(server.url, Level.WELL, "token accepted, version 18.9.0")


@pytest.mark.parametrize(
    ("change", "text", "advice"),
    [
        ({"status": 302, "headers": {"Location": "https://x/"}}, "redirects to https://x/", "No client follows a redirect"),
        ({"status": 401, "body": '{"message": "401 Unauthorized"}'}, "refuses our token", "another secret"),
        ({"body": "<html>Welcome to nginx</html>"}, "answers 200 and no JSON", "API is not accessible"),
        ({"body": "[]"}, "answers 200 and no JSON", "Something else listens"),
        ({"status": 502, "body": "<html>Bad gateway</html>"}, "answers 502 and no JSON", "proxy answers by itself"),
        ({"status": 503, "body": '{"message": "away"}'}, "answers 503: away", "log"),
        ({"unix_status": 400}, "does not answer to `Host: unix`", "ALLOWED_HOSTS"),
    ],
)
def test_what_clients_would_stumble_over(db: None, server: Answering, change: dict[str, Any], text: str, advice: str) -> None:
    for name, value in change.items():
        setattr(server, name, value)
    finding = found(server.url, urls=[server.url])
    assert finding.level == Level.PROBLEM
    assert text in finding.text
    assert advice in finding.advice


def test_a_clock_that_is_off_is_seen_in_the_answer(db: None, server: Answering) -> None:
    server.headers = {"Date": "Mon, 01 Jan 2024 00:00:00 GMT"}
    assert "s off" in found("clock", urls=[server.url]).text


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http+unix:///nowhere.sock", "http://no-such-host.invalid"])
def test_nobody_there(db: None, url: str) -> None:
    finding = found(url, urls=[url])
    assert (finding.level, "cannot be reached" in finding.text) == (Level.PROBLEM, True)


def test_https_where_plain_http_is_served_names_the_scheme_and_the_next_url_is_asked(db: None, server: Answering) -> None:
    wrong = server.url.replace("http:", "https:")
    findings = {finding.name: finding for finding in examine(Consultation(urls=[wrong, server.url]))}
    assert (findings[wrong].level, findings[wrong].text) == (Level.PROBLEM, "serves plain HTTP")
    assert f"Use {server.url} " in findings[wrong].advice
    assert "service" not in findings, "the check itself does not break"
    assert findings[server.url].level == Level.WELL
    assert [name for _, name in server.asked] == ["127.0.0.1", "127.0.0.1", "unix"]
    assert server.asked[0][0] is False, "no token is sent without TLS to a URL that was meant to have it"


@pytest.fixture
def tls_server(tmp_path: Path) -> Iterator[HTTPServer]:
    """A server with a certificate of no known authority."""
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem", *subject]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    with HTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield listening
        listening.shutdown()
        thread.join()


def test_certificate_that_is_not_accepted_is_told_with_the_reason(
    db: None, tls_server: HTTPServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_name, by_number = (f"https://{host}:{tls_server.server_address[1]}" for host in ("localhost", "127.0.0.1"))
    finding = found(by_name, urls=[by_name])
    assert (finding.level, finding.text) == (Level.PROBLEM, "the certificate is not accepted: self-signed certificate")
    assert "SSL_CERT_FILE" in finding.advice
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    assert "certificate is not valid for '127.0.0.1'" in found(by_number, urls=[by_number]).text
    assert "answers 501" in found(by_name, urls=[by_name]).text


@pytest.mark.parametrize("reply", [b"", b"neither HTTP nor TLS\n"])
def test_tls_that_fails_for_another_reason_is_told_as_such(db: None, reply: bytes) -> None:
    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(4096)
            self.request.sendall(reply)

    with socketserver.TCPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        url = f"https://127.0.0.1:{listening.server_address[1]}"
        finding = found(url, urls=[url])
        listening.shutdown()
        thread.join()
    assert (finding.level, finding.text.partition(":")[0]) in [(Level.PROBLEM, "TLS failed"), (Level.PROBLEM, "cannot be reached")]


def test_the_clients_secret_is_compared(db: None, tmp_path: Path, server: Answering) -> None:
    path = tmp_path / "theirs"
    assert found("the clients' secret", secret_file=str(path)).level == Level.PROBLEM
    path.write_text(SHELL_SECRET + "\n")
    assert found("the clients' secret", secret_file=str(path)).level == Level.WELL
    path.write_text("another")
    assert "another secret than ours" in found("the clients' secret", secret_file=str(path)).text


def test_our_secret_files(db: None, settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "secret"
    settings.GITLAB_SHELL_SECRET_FILE = path
    assert "is missing" in found("shell secret").text
    path.write_text("")
    assert found("shell secret").level == Level.PROBLEM
    path.write_text("short")
    assert "is short" in found("shell secret").text
    path.write_text("x" * 64)
    path.chmod(0o644)
    assert found("shell secret").advice == f"chmod o-r {path}"
    path.chmod(0o600)
    assert found("shell secret").level == Level.WELL


def test_workers_and_tasks(db: None) -> None:
    follow_push.enqueue(0, "")
    assert found("workers") == Finding("workers", Level.PROBLEM, "none is alive; 1 tasks wait", "Start manage.py db_worker.")
    TaskWorker.objects.create(worker_id="x", host="x", pid=1)
    assert found("workers").level == Level.WELL
    DBTaskResult.objects.update(enqueued_at=timezone.now() - timedelta(minutes=6))
    assert "the oldest has waited" in found("tasks").text
    DBTaskResult.objects.update(status="FAILED", worker_ids=["x"] * 10)
    assert "1 have failed for good" in found("tasks").text


def test_the_shared_store_and_the_database(db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("database").level == found("migrations").level == found("shared store").level == Level.WELL
    away = type("Away", (DatabaseStore,), {"state": lambda self: StoreState.UNREACHABLE})
    monkeypatch.setattr("internal_api.doctor_checks.shared_store", away)
    settings.REDIS_URL = ""
    assert found("shared store") == Finding("shared store", Level.PROBLEM, "the database does not answer", "Look at the database.")


@pytest.mark.parametrize(
    ("state", "text"),
    [
        (StoreState.UNREACHABLE, "Redis does not answer"),
        (StoreState.FULL, "Redis is full"),
        (StoreState.READ_ONLY, "Redis can only be read"),
    ],
)
def test_what_is_wrong_with_redis(db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch, state: StoreState, text: str) -> None:
    monkeypatch.setattr("internal_api.doctor_checks.shared_store", type("Redis", (DatabaseStore,), {"state": lambda self: state}))
    settings.REDIS_URL = "redis://localhost/0"
    assert (found("shared store").level, found("shared store").text) == (Level.PROBLEM, text)
    assert "pushes are counted in the database" in found("shared store").advice


def test_each_gitaly(db: None, tmp_path: Path, rockets: Project) -> None:
    Storage.objects.all().update(gitaly_address=f"unix:{tmp_path}/nobody.sock")
    assert "Start Gitaly" in found("storage default", seconds=1.0).advice
    with running(tmp_path / "storages", token="gitaly token") as server:
        for token, level in ((None, Level.PROBLEM), ("wrong", Level.PROBLEM), ("gitaly token", Level.WELL)):
            storage = Storage.objects.get()
            storage.gitaly_address, storage.gitaly_token = server.address, token
            storage.save()
            assert found("storage default").level == level


def test_the_command_prints_a_line_each_and_fails_when_something_does_not_work(db: None, server: Answering) -> None:
    out = StringIO()
    with pytest.raises(SystemExit) as left:
        call_command("doctor", "--url", server.url, stdout=out, no_color=True)
    assert left.value.code == 1
    lines = out.getvalue().splitlines()
    assert "PROBLEM workers: none is alive; 0 tasks wait -> Start manage.py db_worker." in lines
    assert f"ok      {server.url}: token accepted, version 18.9.0" in lines
    TaskWorker.objects.create(worker_id="x", host="x", pid=1)
    out = StringIO()
    call_command("doctor", "--url", server.url, "--json", stdout=out)
    assert {finding["level"] for finding in json.loads(out.getvalue())} <= {"well", "warning"}


def test_a_check_that_breaks_does_not_stop_the_others(db: None, monkeypatch: pytest.MonkeyPatch, server: Answering) -> None:
    def broken() -> None:
        raise RuntimeError("with a secret in it")

    monkeypatch.setattr("internal_api.doctor_checks.queue_state", broken)
    findings = list(examine(Consultation(urls=[server.url])))
    assert Finding("workers", Level.PROBLEM, "could not be checked: RuntimeError", "Look at the findings above first.") in findings
    assert any(finding.name == server.url for finding in findings)
