"""JSON that the database keeps and Python cannot read, written by SQL: it denies what it is about, and stops nothing else."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from accounts.models import User
from accounts.services.personal_access_tokens import create_token
from internal_api import instance
from internal_api.models import AuditEvent, InstanceSettings
from internal_api.stored_json import UnreadableJSON
from kubernetes_agent.models import AccessKind, AgentAuthorization
from repositories.models import Namespace, Project, PushEvent, Webhook, WebhookDelivery
from repositories.policy.reasons import Reason
from repositories.services.follow_up import follow_project
from scim.models import SamlProvider
from tests.factories import UserFactory
from tests.test_unreadable_rows import (
    ABOUT_PROJECTS,
    ANYWHERE,
    FOR_KAS,
    PULL,
    Company,
    allowed,
    bad,
    good,
    key,
    overwrite,
    post_receive,
    provision,
    provisioned,
    report,
)

__all__ = ["bad", "good", "key"]

LEVELS = 3000 if connection.vendor == "postgresql" else 900  # SQLite itself refuses more than a thousand
HELD = {"digits": "9" * 5000, "levels": "[" * LEVELS + "]" * LEVELS, "exponent": "1e99999", "a level too many": "[" * 101 + "]" * 101}
"""What a list or a mapping holds."""
SETTINGS = ("allowed_key_types", "minimum_key_bits", "feature_flags", "broadcasts")


def in_list(held: str) -> str:
    return f"[{HELD[held]}]"


def setting(column: str, held: str) -> str:
    return in_list(held) if column in {"allowed_key_types", "broadcasts"} else f'{{"ssh-rsa": {HELD[held]}}}'


@pytest.fixture
def root(db: None) -> User:
    return UserFactory.create(username="root", admin=True)


@pytest.fixture
def admin_site(root: User) -> Client:
    client = Client()
    client.force_login(root)
    return client


@pytest.fixture(params=HELD)
def held(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("column", SETTINGS)
def test_a_setting_of_the_instance_counts_as_what_restricts_most(
    shell: Client, good: Company, ann: User, admin_site: Client, caplog: pytest.LogCaptureFixture, column: str, held: str
) -> None:
    InstanceSettings().save()
    overwrite("internal_api_instancesettings", column, 1, setting(column, held))
    instance.forget()
    asked = {**ABOUT_PROJECTS, **ANYWHERE}
    if column == "allowed_key_types":  # then no key is admitted; sessions without one are
        asked = {"discover": ANYWHERE["discover"], "post_receive": post_receive}
        assert PULL(shell, good).status_code == 401
        assert allowed("git-upload-pack", key_id="", user_id=str(ann.pk))(shell, good).status_code == 200
    for name, ask in asked.items():
        response = ask(shell, good)
        assert response.status_code < 300, (name, response.content)
    assert report("internal_api_instancesettings", column, 1) in caplog.messages
    page = "/admin/internal_api/instancesettings/1/change/"
    assert admin_site.get(page).status_code == 200
    refused = admin_site.post(page, {column: admin_site.get(page).context["adminform"].form[column].value()})
    assert refused.status_code == 200
    assert column in refused.context["adminform"].form.errors


def test_a_list_of_addresses_denies_its_own_group_alone(
    shell: Client, bad: Company, good: Company, admin_site: Client, caplog: pytest.LogCaptureFixture, held: str
) -> None:
    overwrite("repositories_namespace", "ip_allowlist", bad.group.pk, in_list(held))
    for name, ask in ABOUT_PROJECTS.items():
        response = ask(shell, bad)
        expected = {"lfs": 403, **dict.fromkeys(FOR_KAS, 200)}.get(name, 401)
        assert (name, response.status_code) == (name, expected), response.content
        assert name in FOR_KAS or response.json()["message"] == Reason.RULES_UNREADABLE.message
        assert ask(shell, good).status_code == 200, name
    assert allowed("git-receive-pack", project="acme/fresh")(shell, bad).status_code == 401
    assert not Project.objects.filter(path="fresh").exists()
    assert post_receive(shell, bad).status_code == 200
    assert report("repositories_namespace", "ip_allowlist", bad.group.pk) in caplog.messages
    for path in ("", f"{bad.group.pk}/change/"):
        assert admin_site.get(f"/admin/repositories/namespace/{path}").status_code == 200


def test_scopes_of_a_token_open_nothing(root: User, admin_site: Client, caplog: pytest.LogCaptureFixture, held: str) -> None:
    row, clear = create_token(user=root, name="a", scopes=["api"], expires_at=None)
    _, other = create_token(user=root, name="b", scopes=["api"], expires_at=None)
    overwrite("accounts_personalaccesstoken", "scopes", row.pk, in_list(held))
    path = "/api/v4/namespaces/storage/limit_exclusions"
    assert Client(headers={"private-token": clear}).get(path).status_code == 403
    assert report("accounts_personalaccesstoken", "scopes", row.pk) in caplog.messages
    assert Client(headers={"private-token": other}).get(path).status_code == 200
    for page in ("", f"{row.pk}/change/"):
        assert admin_site.get(f"/admin/accounts/personalaccesstoken/{page}").status_code == 200


def test_domains_of_a_group_admit_nobody_to_it(
    shell: Client, bad: Company, good: Company, admin_site: Client, caplog: pytest.LogCaptureFixture, held: str
) -> None:
    row_id = SamlProvider.objects.get(group=bad.group).pk
    overwrite("scim_samlprovider", "allowed_email_domains", row_id, in_list(held))
    overwrite("repositories_namespace", "verified_email_domains", good.group.pk, in_list(held))
    InstanceSettings(email_confirmation="hard").save()
    assert 400 <= provision(shell, bad).status_code < 500
    assert report("scim_samlprovider", "allowed_email_domains", row_id) in caplog.messages
    assert provision(shell, good).status_code == 201
    assert not User.objects.get(email="new@other.example").email_confirmed
    assert report("repositories_namespace", "verified_email_domains", good.group.pk) in caplog.messages
    assert {provisioned(shell, one).status_code for one in (bad, good)} == {200}
    assert admin_site.get(f"/admin/scim/samlprovider/{row_id}/change/").status_code == 200


def test_a_row_that_is_saved_for_something_else_keeps_the_value(bad: Company, held: str) -> None:
    overwrite("repositories_namespace", "ip_allowlist", bad.group.pk, in_list(held))
    before = Namespace.objects.get(pk=bad.group.pk)
    assert isinstance(before.ip_allowlist, UnreadableJSON)
    before.name = "Renamed"
    before.save()
    assert Namespace.objects.get(pk=bad.group.pk).ip_allowlist == before.ip_allowlist
    before.ip_allowlist = ["10.0.0.0/8"]
    before.save()
    assert Namespace.objects.get(pk=bad.group.pk).ip_allowlist == ["10.0.0.0/8"]
    shown = AuditEvent.objects.order_by("-pk")[0].changes["ip_allowlist"]
    assert shown["before"].startswith("<JSON that ")
    assert shown["after"] == ["10.0.0.0/8"]


def test_the_doctor_names_each_row_and_a_dump_refuses_it(bad: Company, root: User, capsys: pytest.CaptureFixture[str], held: str) -> None:
    InstanceSettings().save()
    token, _ = create_token(user=root, name="a", scopes=["api"], expires_at=None)
    rows = [
        *(("internal_api_instancesettings", column, 1) for column in SETTINGS),
        ("repositories_namespace", "ip_allowlist", bad.group.pk),
        ("repositories_namespace", "verified_email_domains", bad.group.pk),
        ("scim_samlprovider", "allowed_email_domains", SamlProvider.objects.get(group=bad.group).pk),
        ("accounts_personalaccesstoken", "scopes", token.pk),
    ]
    for table, column, row_id in rows:
        overwrite(table, column, row_id, setting(column, held) if column in SETTINGS else in_list(held))
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", "--seconds", "0.2")
    told = [one["text"] for one in json.loads(capsys.readouterr().out) if one["name"] == "stored settings"]
    for table, column, row_id in rows:
        assert any(f"{table}.{column} of row {row_id}" in text for text in told), (table, column, told)
    with pytest.raises(CommandError, match=r"internal_api_instancesettings\.\w+ of row 1: "):
        call_command("dump_seed", stdout=StringIO())


def test_a_push_whose_record_cannot_be_read_counts_as_one_of_nothing(
    shell: Client, good: Company, admin_site: Client, caplog: pytest.LogCaptureFixture, held: str
) -> None:
    Webhook.objects.create(project=good.project, url="https://a.example/", token="secret")
    assert post_receive(shell, good).status_code == 200
    event = PushEvent.objects.get()
    assert event.followed_at is None
    for column in ("changes", "push_options", "response"):
        overwrite("repositories_pushevent", column, event.pk, in_list(held))
    assert post_receive(shell, good).status_code == 200
    follow_project(good.project.pk)
    assert not PushEvent.objects.filter(followed_at=None).exists()
    assert [one.push_event_id for one in WebhookDelivery.objects.all()] == [PushEvent.objects.exclude(pk=event.pk).get().pk]
    assert report("repositories_pushevent", "changes", event.pk) in caplog.messages
    for page in ("", f"{event.pk}/change/"):
        assert admin_site.get(f"/admin/repositories/pushevent/{page}").status_code == 200


def test_an_event_of_the_audit_log_that_cannot_be_read_hides_no_other(root: User, admin_site: Client, held: str) -> None:
    event = AuditEvent.objects.order_by("-pk")[0]
    overwrite("internal_api_auditevent", "changes", event.pk, in_list(held))
    for page in ("", f"{event.pk}/change/"):
        assert admin_site.get(f"/admin/internal_api/auditevent/{page}").status_code == 200


def test_the_configuration_of_an_agent_opens_nothing(good: Company, ann: User, caplog: pytest.LogCaptureFixture, held: str) -> None:
    agent = good.project.agents.get()
    row = AgentAuthorization.objects.create(agent=agent, kind=AccessKind.USER, project=good.project, config={"access_as": {"agent": {}}})
    _, clear = create_token(user=ann, name="a", scopes=["k8s_proxy"], expires_at=None)
    body = {"agent_id": agent.pk, "access_type": "personal_access_token", "access_key": clear}
    path = "/api/v4/internal/kubernetes/authorize_proxy_user"
    assert good.agent.post(path, body, content_type="application/json").status_code == 201
    overwrite("kubernetes_agent_agentauthorization", "config", row.pk, in_list(held))
    assert good.agent.post(path, body, content_type="application/json").status_code == 403
    assert report("kubernetes_agent_agentauthorization", "config", row.pk) in caplog.messages
