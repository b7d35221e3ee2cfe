"""What Prometheus reads, and who may."""

import json
from typing import Any

import pytest
from django.test import Client
from prometheus_client.parser import text_string_to_metric_families

from accounts.models import SSHKey, User
from internal_api.logs import JSONFormatter, LineFormatter
from repositories.models import Project
from repositories.services.access import set_member
from repositories.services.after_push import follow_push
from tests.factories import SSHKeyFactory


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    set_member(rockets, ann, 30)
    return SSHKeyFactory.create(user=ann)


def told(caller: Client, path: str = "/metrics") -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    page = caller.get(path)
    assert page.status_code == 200
    families = text_string_to_metric_families(page.content.decode())
    return {(sample.name, tuple(sorted(sample.labels.items()))): sample.value for family in families for sample in family.samples}


def grown(before: Any, after: Any) -> dict[Any, float]:
    return {name: value - before.get(name, 0.0) for name, value in after.items() if value != before.get(name, 0.0)}


def allowed(shell: Client, key: SSHKey, action: str = "git-upload-pack", project: str = "acme/rockets") -> Any:
    question = {"key_id": key.pk, "project": project, "action": action, "changes": "_any", "protocol": "ssh"}
    return shell.post("/api/v4/internal/allowed", question, content_type="application/json")


def test_requests_statements_and_decisions_are_counted(shell: Client, stranger: Client, key: SSHKey) -> None:
    allowed(shell, key)
    before = told(stranger)
    allowed(shell, key)
    allowed(shell, key, project="acme/nothing")
    allowed(shell, key, action="git-nonsense-" + "x" * 100)
    shell.get("/nowhere/at/all")
    growth = grown(before, told(stranger))
    assert growth["internal_api_request_duration_seconds_count", (("endpoint", "allowed"), ("method", "POST"), ("status", "200"))] == 1
    assert growth["internal_api_request_duration_seconds_count", (("endpoint", "unknown"), ("method", "GET"), ("status", "404"))] == 1
    assert growth["internal_api_request_statements_count", (("endpoint", "allowed"),)] == 3
    assert growth["internal_api_request_statements_bucket", (("endpoint", "allowed"), ("le", "1.0"))] >= 1
    pulls = [("action", "git-upload-pack"), ("reason", ""), ("verdict", "allowed")]
    assert growth["internal_api_decisions_total", tuple(pulls)] == 1
    denied = {labels for name, labels in growth if name == "internal_api_decisions_total" and ("verdict", "denied") in labels}
    assert {dict(labels)["action"] for labels in denied} == {"git-upload-pack", "other"}


def test_refused_tokens_are_counted_by_caller(stranger: Client, db: None) -> None:
    before = told(stranger)
    for _ in range(3):
        stranger.get("/api/v4/internal/check", headers={"gitlab-shell-api-request": "x"})
    assert grown(before, told(stranger))["internal_api_refused_tokens_total", (("caller", "gitlab-shell"),)] == 3


def test_what_the_database_knows_is_told(stranger: Client, db: None) -> None:
    follow_push.enqueue(0, "")
    found = told(stranger, "/metrics/database")
    assert found["internal_api_tasks", (("state", "ready"),)] == 1
    assert found["internal_api_workers", ()] == 0
    assert ("internal_api_task_oldest_seconds", ()) in found
    assert ("internal_api_webhooks_switched_off", ()) in found
    assert ("internal_api_agents_connected", ()) in found
    assert ("internal_api_agent_usage_total", (("name", "k8s_api_proxy_request"),)) in found


@pytest.mark.parametrize(
    ("peer", "headers", "status"),
    [
        ("127.0.0.1", {}, 200),
        ("::1", {}, 200),
        ("10.0.0.1", {}, 404),
        ("", {}, 404),
        ("unix:", {}, 404),
        ("127.0.0.1", {"x-forwarded-for": "10.0.0.1"}, 404),
    ],
)
def test_metrics_are_for_the_addresses_that_are_allowed(
    stranger: Client, db: None, peer: str, headers: dict[str, str], status: int
) -> None:
    """Decisions 21a; what comes through a proxy has the proxy's address and is not told."""
    assert stranger.get("/metrics", headers=headers, REMOTE_ADDR=peer).status_code == status


def test_the_log_line_tells_who_what_and_how_long(shell: Client, key: SSHKey, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    shell.post(
        "/api/v4/internal/allowed",
        {"key_id": key.pk, "project": "acme/rockets", "action": "git-upload-pack", "changes": "_any", "protocol": "ssh"},
        content_type="application/json",
        headers={"x-request-id": "01HXYZ"},
    )
    record = caplog.records[-1]
    line = json.loads(JSONFormatter().format(record))
    wanted = {
        "method": "POST",
        "path": "/api/v4/internal/allowed",
        "status": 200,
        "caller": "gitlab-shell",
        "actor": f"user-{key.user_id}",
        "project": "acme/rockets",
        "action": "git-upload-pack",
        "verdict": "allowed",
    }
    assert {name: line[name] for name in wanted} == wanted
    assert line["statements"] >= 1
    assert line["duration_ms"] > 0
    text = LineFormatter().format(record)
    assert "\n" not in text
    assert "verdict=allowed" in text
