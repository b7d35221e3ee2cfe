"""POST /shellhorse/git_audit_event (contract: shell-endpoints 13, 16.11; gitlab-shell 2.11; decisions 13, 14c)."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from accounts.models import SSHKey, User
from internal_api.models import AuditEvent, InstanceSettings
from repositories.models import Project
from repositories.services.access import set_member
from tests.factories import DeployKeyFactory, SSHKeyFactory

PATH = "/api/v4/internal/shellhorse/git_audit_event"


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    """Ann's key; the instance keeps audit events."""
    InstanceSettings(log_git_audit_events=True).save()
    set_member(rockets, ann, 10)
    return SSHKeyFactory.create(user=ann)


def report(client: Client, rockets: Project, **values: Any) -> tuple[int, Any]:
    """As GitLab Shell reports: the key's id is a number here, empty fields are left out."""
    body = {"action": "git-upload-pack", "protocol": "ssh", "gl_repository": f"project-{rockets.pk}", "username": "ann", "changes": "_any"}
    response = client.post(PATH, {**body, **values}, content_type="application/json")
    return response.status_code, response.json()


@pytest.mark.parametrize(
    ("action", "stats", "verb"),
    [
        pytest.param("git-receive-pack", {}, "push", id="#155"),
        pytest.param("git-upload-pack", {"wants": 2}, "clone", id="#156"),
        pytest.param("git-upload-pack", {"wants": 2, "haves": 2}, "pull", id="#157"),
        pytest.param("git-upload-pack", {"haves": 2}, "pull", id="#158"),
        pytest.param("git-upload-pack", {}, "pull", id="#159"),
        pytest.param("git-upload-pack", None, "pull", id="omitted"),
    ],
)
@pytest.mark.parametrize("protocol", ["ssh", "http"])
def test_what_a_command_was(
    shell: Client, key: SSHKey, rockets: Project, ann: User, action: str, stats: dict[str, int] | None, verb: str, protocol: str
) -> None:
    """shell-endpoints 16.11 #160, #161, #166: a guest's too."""
    counted = {"written_bytes": 1048576, "received_bytes": 2048}
    answer = report(shell, rockets, action=action, protocol=protocol, key_id=key.pk, packfile_stats=stats, check_ip="10.9.8.7", **counted)
    message = {"protocol": protocol, "action": action, "verb": verb, **counted, "gl_key_type": "key", "gl_key_id": key.pk}
    assert answer == (200, {"status": True, "message": message})
    event = AuditEvent.objects.get(action="repository_git_operation")
    assert (event.action, event.author_id, event.author_name, event.ip_address) == ("repository_git_operation", ann.pk, "ann", "10.9.8.7")
    assert (event.entity_type, event.entity_id, event.entity_path) == ("Project", rockets.pk, "acme/rockets")
    assert event.details == message


def test_the_report_as_it_was_seen_on_the_wire(shell: Client, key: SSHKey, rockets: Project) -> None:
    """gitlab-shell 2.11; shell-endpoints 16.11 #170: bytes that were not counted are not made up."""
    stats = {"payload_size": 5, "packets": 2, "caps": ["ofs-delta"], "wants": 1}
    status, body = report(shell, rockets, key_id=key.pk, packfile_stats=stats, check_ip="10.9.8.7")
    expected = {"protocol": "ssh", "action": "git-upload-pack", "verb": "clone", "gl_key_type": "key", "gl_key_id": key.pk}
    assert (status, body["message"]) == (200, expected)


def test_a_certificate_session(shell: Client, key: SSHKey, rockets: Project) -> None:
    status, body = report(shell, rockets, namespace_path="acme")
    assert (status, body["message"]) == (200, {"protocol": "ssh", "action": "git-upload-pack", "verb": "pull"})
    assert AuditEvent.objects.get(action="repository_git_operation").details["namespace_path"] == "acme"


def test_a_form_will_do(shell: Client, key: SSHKey, rockets: Project) -> None:
    body = {"action": "git-upload-pack", "protocol": "ssh", "gl_repository": f"project-{rockets.pk}", "changes": "_any", "key_id": key.pk}
    response = shell.post(PATH, {**body, "packfile_stats[wants]": "2", "packfile_stats[haves]": ""})
    assert response.json()["message"]["verb"] == "clone"


def test_a_deploy_key_is_an_author_of_its_own(shell: Client, key: SSHKey, rockets: Project, ann: User) -> None:
    """shell-endpoints 16.11 #173."""
    deploy_key = DeployKeyFactory.create(owner=ann)
    status, body = report(shell, rockets, key_id=deploy_key.pk, packfile_stats={"wants": 2})
    assert (status, body["message"]["gl_key_type"], body["message"]["gl_key_id"]) == (200, "deploy_key", deploy_key.pk)
    event = AuditEvent.objects.get(action="repository_git_operation")
    assert (event.author_id, event.author_name) == (deploy_key.pk, f"deploy key {deploy_key.pk}")


@pytest.mark.parametrize("values", [{"username": "nobody"}, {"gl_repository": "project-0"}, {"gl_repository": "foo-1"}, {"key_id": 999999}])
def test_the_unknown_leaves_nothing(shell: Client, key: SSHKey, rockets: Project, values: dict[str, Any]) -> None:
    """shell-endpoints 16.11 #164, #165."""
    assert report(shell, rockets, **values) == (200, {"status": False, "message": "No git audit event needed"})
    assert not AuditEvent.objects.filter(action="repository_git_operation").exists()


def test_an_instance_that_keeps_none(shell: Client, key: SSHKey, rockets: Project) -> None:
    """shell-endpoints 16.11 #162; `need_audit` of /allowed says so before."""
    question = {"action": "git-upload-pack", "project": "acme/rockets", "protocol": "ssh", "key_id": key.pk}
    Project.objects.update(visibility="public")
    assert shell.post("/api/v4/internal/allowed", question).json()["need_audit"] is True
    InstanceSettings(log_git_audit_events=False).save()
    assert shell.post("/api/v4/internal/allowed", question).json()["need_audit"] is False
    assert report(shell, rockets, key_id=key.pk) == (200, {"status": False, "message": "No git audit event needed"})
    assert not AuditEvent.objects.filter(action="repository_git_operation").exists()


@pytest.mark.parametrize("action", ["git_invalid_action", "git-upload-archive", ""])
def test_other_commands_are_not_audited(shell: Client, key: SSHKey, rockets: Project, action: str) -> None:
    """shell-endpoints 16.11 #163, e51."""
    assert report(shell, rockets, action=action) == (400, {"status": False, "message": "No valid action specified"})


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        pytest.param({"packfile_stats": {"wants": "abc"}}, "packfile_stats[wants] is invalid", id="e50"),
        pytest.param({"packfile_stats": {"haves": 2**63}}, "packfile_stats[haves] is invalid", id="beyond 64 bits"),
        pytest.param({"packfile_stats": []}, "packfile_stats is invalid", id="no object"),
        pytest.param({"action": None, "written_bytes": True}, "action is missing, written_bytes is invalid", id="two"),
        pytest.param({"changes": {}, "check_ip": []}, "changes is invalid, check_ip is invalid", id="no strings"),
    ],
)
def test_all_that_is_wrong_is_told_at_once(shell: Client, key: SSHKey, rockets: Project, values: dict[str, Any], sentence: str) -> None:
    assert report(shell, rockets, **values) == (400, {"error": sentence})
    assert not AuditEvent.objects.filter(action="repository_git_operation").exists()


def test_an_empty_body(shell: Client, db: None) -> None:
    """shell-endpoints e49."""
    response = shell.post(PATH, content_type="application/json")
    expected = {"error": "action is missing, protocol is missing, gl_repository is missing, changes is missing"}
    assert (response.status_code, response.json()) == (400, expected)


def test_a_stranger_reports_nothing(stranger: Client, key: SSHKey, rockets: Project) -> None:
    """Decisions 13."""
    assert report(stranger, rockets, key_id=key.pk) == (401, {"message": "401 Unauthorized"})
    assert not AuditEvent.objects.filter(action="repository_git_operation").exists()


def test_two_statements(shell: Client, key: SSHKey, rockets: Project, django_assert_num_queries: Any) -> None:
    report(shell, rockets, key_id=key.pk)
    with django_assert_num_queries(2):
        report(shell, rockets, key_id=key.pk)


def test_events_are_exported_as_json_lines(shell: Client, key: SSHKey, rockets: Project) -> None:
    AuditEvent.objects.all().delete()
    for _ in range(3):
        report(shell, rockets, key_id=key.pk)
    AuditEvent.objects.create(action="other", created_at=timezone.now() - timedelta(days=40))

    def exported(*arguments: str) -> list[Any]:
        out = StringIO()
        call_command("audit_events", *arguments, stdout=out)
        return [json.loads(line) for line in out.getvalue().splitlines()]

    assert [event["action"] for event in exported()] == ["repository_git_operation"] * 3 + ["other"]
    assert exported("--action", "repository_git_operation")[0]["details"]["verb"] == "pull"
    day = (timezone.now() - timedelta(days=30)).date().isoformat()
    assert (len(exported("--since", day)), len(exported("--until", day))) == (3, 1)
    filters = {"--author": "ann", "--entity": "acme/rockets", "--entity-type": "Project", "--kind": "service", "--ip-address": "127.0.0.1"}
    for name, value in filters.items():
        assert len(exported(name, value)) == 3, name
    assert exported("--author", "nobody") == []
    first = exported()[0]
    assert exported("--correlation-id", first["correlation_id"]) == [first]
    with pytest.raises(CommandError, match="is not a time"):
        exported("--since", "yesterday")
