"""Calling kas' own API, over real gRPC (contract: kubernetes-agent, "What the server tells kas")."""

import base64
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from pytest_django.fixtures import Settings

from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS
from kubernetes_agent.kas import client
from kubernetes_agent.kas.address import kas_address_problem
from kubernetes_agent.kas.client import KasError, send_git_push_event
from tests.kas_server import KasServer, running_kas, until
from tests.live.nginx import CERTIFICATE, SUBJECT
from tests.servers import free_port

pytestmark = pytest.mark.once


@pytest.fixture
def kas(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[KasServer]:
    monkeypatch.setattr(client, "_channels", {})
    client._breaker.cache_clear()  # noqa: SLF001  nothing has failed yet
    with running_kas(service_secrets(KAS)[0]) as running:
        settings.KAS_ADDRESS = running.address
        yield running


def test_a_push_is_told_with_the_contracts_field_numbers(kas: KasServer, settings: Settings) -> None:
    """`event` (1) . `project` (1) . `id` (1) and `full_path` (2), written out by hand."""
    settings.EXTERNAL_URL = "https://git.example.com"
    send_git_push_event(300, "acme/rockets")
    project = b"\x08\xac\x02" + b"\x12\x0cacme/rockets"
    event = b"\x0a" + bytes([len(project)]) + project
    assert kas.received == [b"\x0a" + bytes([len(event)]) + event]
    (claims,) = kas.claims
    assert (claims["aud"], claims["iss"]) == ("gitlab-kas", "git.example.com")
    assert claims["nbf"] < claims["iat"] < claims["exp"] <= claims["iat"] + 60


def test_a_secret_of_its_own_and_one_that_kas_does_not_know(kas: KasServer, settings: Settings, tmp_path: Path) -> None:
    settings.KAS_API_SECRET_FILE = tmp_path / "secret"
    settings.KAS_API_SECRET_FILE.write_text(base64.b64encode(b"k" * 32).decode() + "\n")
    with pytest.raises(KasError, match="UNAUTHENTICATED"):
        send_git_push_event(7, "acme/rockets")
    assert kas.received == []
    kas.secret = b"k" * 32
    send_git_push_event(7, "acme/rockets")
    assert len(kas.received) == 1


def test_a_kas_that_is_away_is_left_alone_after_a_few_failures(kas: KasServer, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    settings.KAS_ADDRESS = f"grpc://localhost:{port}"
    for _ in range(client.FAILURES):
        with pytest.raises(KasError) as told:
            send_git_push_event(7, "acme/rockets")
        assert told.value.code == "UNAVAILABLE"
    with pytest.raises(KasError, match="kas has not answered recently") as told:
        send_git_push_event(7, "acme/rockets")
    assert told.value.code == "SKIPPED"
    later = time.monotonic() + client.PAUSE
    monkeypatch.setattr(client._breaker(settings.KAS_ADDRESS), "_clock", lambda: later)  # noqa: SLF001  as if the pause were over
    with running_kas(service_secrets(KAS)[0], port=port) as back:
        deadline = time.monotonic() + 60
        while not back.received and time.monotonic() < deadline:
            try:
                send_git_push_event(7, "acme/rockets")
            except KasError:
                client._breaker.cache_clear()  # noqa: SLF001  gRPC connects again after a moment
                time.sleep(0.1)
        assert len(back.received) == 1


def test_a_kas_that_hangs_is_waited_for_until_the_deadline(kas: KasServer, settings: Settings) -> None:
    settings.KAS_TIMEOUT = 0.2
    event = threading.Event()
    kas.before = until(event)
    with pytest.raises(KasError, match="DEADLINE_EXCEEDED"):
        send_git_push_event(7, "acme/rockets")
    event.set()


def test_a_kas_without_the_method_is_a_failure_like_any_other(kas: KasServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_GIT_PUSH_EVENT", "/gitlab.agent.notifications.rpc.Notifications/Other")
    for _ in range(client.FAILURES + 1):
        with pytest.raises(KasError, match="UNIMPLEMENTED"):
            send_git_push_event(7, "acme/rockets")


def test_tls_is_spoken_with_the_authority_that_is_named(
    kas: KasServer, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run([*CERTIFICATE, "-keyout", "key.pem", "-out", "cert.pem", *SUBJECT], check=True, cwd=tmp_path, capture_output=True)
    pair = ((tmp_path / "key.pem").read_bytes(), (tmp_path / "cert.pem").read_bytes())
    with running_kas(service_secrets(KAS)[0], credentials=grpc.ssl_server_credentials([pair])) as secured:
        settings.KAS_ADDRESS = secured.address
        with pytest.raises(KasError, match="UNAVAILABLE"):
            send_git_push_event(7, "acme/rockets")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        monkeypatch.setattr(client, "_channels", {})
        send_git_push_event(7, "acme/rockets")
        assert len(secured.received) == 1


@pytest.mark.parametrize(
    "text", ["kas:8153", "http://kas:8153", "grpc://", "grpc://kas", "grpc://kas:0", "grpc://kas:99999", "grpc://a b:1", "grpcs://u@k:1"]
)
def test_addresses_that_cannot_be_called(text: str) -> None:
    assert (kas_address_problem(text) or "").startswith("KAS_ADDRESS")


@pytest.mark.parametrize("text", ["grpc://kas:8153", "grpcs://kas.example.com:443", "grpc://127.0.0.1:8153", "grpc://[::1]:8153"])
def test_addresses_that_can_be_called(text: str) -> None:
    assert kas_address_problem(text) is None
