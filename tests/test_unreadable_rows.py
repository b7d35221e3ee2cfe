"""Rows with values that cannot be read: they deny what they are about, are named in the log, and stop nothing else.

No constraint can refuse them. Each is written past every validation, as an operator's SQL or an earlier version may have; then each
endpoint is asked about what the row concerns and about what it does not.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connection
from django.test import Client

from accounts.models import PersonalAccessToken, SSHKey, User
from accounts.services.personal_access_tokens import create_token
from internal_api import instance, outgoing
from internal_api.encryption import UnreadableSecret, rotate
from internal_api.models import InstanceSettings
from internal_api.registrations import load_registrations
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS
from internal_api.stored_value_checks import registered_models
from kubernetes_agent.models import ReceptiveConfiguration, SecurityPolicy
from kubernetes_agent.services.tokens import create_agent_token
from repositories.models import ErrorTrackingKey, Namespace, Project, PushEvent, Storage, Webhook, WebhookDelivery
from repositories.policy.reasons import Reason
from repositories.services.access import set_member
from repositories.services.follow_up import follow_project
from repositories.services.webhook_deliveries import deliver
from scim.models import SamlProvider
from scim.services.tokens import rotate_token
from tests import public_keys
from tests.factories import AgentFactory, GroupFactory, ProjectFactory, SSHKeyFactory, StorageFactory, UserFactory

INTERNAL = "/api/v4/internal"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:User"
ZEROS, NEW = "0" * 40, "570e7b2abdd848b95f2f578043fc23bd6f6fd24d"
CREATION = f"{ZEROS} {NEW} refs/heads/topic"


def overwrite(table: str, column: str, row_id: int, value: str) -> None:
    """Write a value into a column as SQL does, past fields, forms and encryption."""
    with connection.cursor() as cursor:
        cursor.execute(f'UPDATE {table} SET "{column}" = %s WHERE id = %s', [value, row_id])  # noqa: S608  names of the tests' own


def report(table: str, column: str, row_id: int) -> str:
    return f"Stored value cannot be read: {table}.{column} of row {row_id}"


@dataclass
class Company:
    """A group with a project on a storage of its own, and what speaks for it."""

    group: Namespace
    project: Project
    agent: Client
    provider: Client
    path: str = field(init=False)

    def __post_init__(self) -> None:
        self.path = f"{self.group.path}/{self.project.path}"


def company(name: str, ann: User) -> Company:
    group = GroupFactory.create(path=name)
    storage = StorageFactory.create(name=name, gitaly_address=f"unix:/{name}", gitaly_token="secret")
    project = ProjectFactory.create(path="rockets", namespace=group, storage=storage)
    set_member(group, ann, 40)
    agent = AgentFactory.create(project=project, name=name, created_by=ann)
    token = f"glagent-of-{name}"
    create_agent_token(agent=agent, name="first", token=token)
    kas = KAS.issue(service_secrets(KAS)[0], lifetime=30)
    SamlProvider.objects.create(group=group)
    rotate_token(group, token=f"scim-{name}")
    ErrorTrackingKey.objects.create(project=project, public_key="public")
    return Company(
        group,
        project,
        Client(headers={"gitlab-kas-api-request": kas, "gitlab-agent-api-request": token}),
        Client(headers={"authorization": f"Bearer scim-{name}"}),
    )


@pytest.fixture
def key(ann: User) -> SSHKey:
    return SSHKeyFactory.create(id=11, user=ann)


@pytest.fixture
def bad(ann: User, key: SSHKey) -> Company:
    """The company whose row cannot be read."""
    return company("acme", ann)


@pytest.fixture
def good(ann: User, key: SSHKey) -> Company:
    """The company that has nothing to do with it."""
    return company("other", ann)


Ask = Callable[[Client, Company], Any]


def allowed(action: str, changes: str = "_any", **values: Any) -> Ask:
    def ask(shell: Client, of: Company) -> Any:
        question = {"action": action, "project": of.path, "changes": changes, "protocol": "ssh", "key_id": "11", "check_ip": "10.1.1.1"}
        given = {name: value for name, value in {**question, **values}.items() if value}
        return shell.post(f"{INTERNAL}/allowed", given, content_type="application/json")

    return ask


def lfs(shell: Client, of: Company) -> Any:
    return shell.post(
        f"{INTERNAL}/lfs_authenticate", {"operation": "download", "project": of.path, "key_id": "11"}, content_type="application/json"
    )


def lfs_is_valid(shell: Client, of: Company, credentials: dict[str, Any]) -> bool:
    pair = {"username": credentials["username"], "token": credentials["lfs_token"], "project": of.path}
    answer: dict[str, bool] = shell.post(f"{INTERNAL}/lfs_token/verify", pair, content_type="application/json").json()
    return answer["valid"]


def post_receive(shell: Client, of: Company) -> Any:
    body = {"gl_repository": f"project-{of.project.pk}", "identifier": "key-11", "changes": CREATION}
    return shell.post(f"{INTERNAL}/post_receive", body, content_type="application/json")


def agent_info(_: Client, of: Company) -> Any:
    return of.agent.get(f"{INTERNAL}/agents/agentk/agent_info")


def project_info(_: Client, of: Company) -> Any:
    return of.agent.get(f"{INTERNAL}/kubernetes/project_info", {"id": str(of.project.pk)})


def discover(shell: Client, _: Company) -> Any:
    return shell.get(f"{INTERNAL}/discover", {"key_id": "11"})


def authorized_keys(shell: Client, _: Company) -> Any:
    return shell.get(f"{INTERNAL}/authorized_keys", {"key": public_keys.ED25519.split()[1]})


def provision(_: Client, of: Company) -> Any:
    name = f"new-{of.group.path}"
    emails = [{"primary": True, "type": "work", "value": f"new@{of.group.path}.example"}]
    names = {"formatted": "New Person", "familyName": "Person", "givenName": "New"}
    person = {"externalId": name, "userName": name, "active": None, "emails": emails, "name": names, "schemas": [SCHEMA]}
    return of.provider.post(f"/api/scim/v2/groups/{of.group.path}/Users", person, content_type="application/scim+json")


def provisioned(_: Client, of: Company) -> Any:
    return of.provider.get(f"/api/scim/v2/groups/{of.group.path}/Users")


def token_request(shell: Client, _: Company) -> Any:
    body = {"key_id": "11", "name": "x", "scopes": ["read_api"], "expires_at": "2026-12-31"}
    return shell.post(f"{INTERNAL}/personal_access_token", body, content_type="application/json")


def one_time_password(shell: Client, _: Company) -> Any:
    return shell.post(f"{INTERNAL}/two_factor_manual_otp_check", {"key_id": "11", "otp_attempt": "123456"}, content_type="application/json")


def error_tracking(shell: Client, of: Company) -> Any:
    body = {"project_id": of.project.pk, "public_key": "public"}
    return shell.post(f"{INTERNAL}/error_tracking/allowed", body, content_type="application/json")


PULL = allowed("git-upload-pack")
ABOUT_PROJECTS: dict[str, Ask] = {
    "pull": PULL,
    "pull from an unknown address": allowed("git-upload-pack", check_ip=""),
    "archive": allowed("git-upload-archive"),
    "push": allowed("git-receive-pack"),
    "changes": allowed("git-receive-pack", CREATION),
    "lfs": lfs,
    "agent_info": agent_info,
    "project_info": project_info,
}
FOR_KAS = {"agent_info", "project_info"}
ANYWHERE: dict[str, Ask] = {
    "post_receive": post_receive,
    "discover": discover,
    "authorized_keys": authorized_keys,
    "provision": provision,
    "provisioned": provisioned,
    "token": token_request,
    "one-time password": one_time_password,
    "error tracking": error_tracking,
}

LISTS = ['["10.0.0.0/33"]', '["office"]', '["10.0.0.0/8", "office"]', "[5]", "[null]", '[{"a": 1}]']
PROJECTS_ROWS: list[tuple[str, str, str, bool]] = [
    *(("repositories_namespace", "ip_allowlist", value, False) for value in LISTS),
    ("repositories_storage", "gitaly_address", "unix:two words", True),
    ("repositories_storage", "gitaly_address", "tcp://", True),
    ("repositories_storage", "gitaly_token", "what no key has encrypted", True),
    ("repositories_project", "relative_path", "../../etc/passwd", True),
    ("repositories_project", "relative_path", "/etc/passwd", True),
    ("repositories_project", "relative_path", "a\nb", True),
]
"""Table, column, value, and whether kas is told of it too."""


def row_of(of: Company, table: str) -> int:
    found: dict[str, int] = {
        "repositories_namespace": of.group.pk,
        "repositories_storage": of.project.storage_id,
        "repositories_project": of.project.pk,
    }
    return found[table]


@pytest.mark.parametrize(("table", "column", "value", "tells_kas"), PROJECTS_ROWS)
def test_a_row_that_cannot_be_read_denies_its_own_projects_alone(
    shell: Client, bad: Company, good: Company, caplog: pytest.LogCaptureFixture, table: str, column: str, value: str, tells_kas: bool
) -> None:
    for name, ask in {**ABOUT_PROJECTS, **ANYWHERE}.items():
        response = ask(shell, good)
        assert response.status_code < 300, (name, response.content)
    credentials = [lfs(shell, of).json() for of in (bad, good)]
    row_id = row_of(bad, table)
    overwrite(table, column, row_id, value)
    for name, ask in ABOUT_PROJECTS.items():
        caplog.clear()
        response = ask(shell, bad)
        if name in FOR_KAS and not tells_kas:
            assert response.status_code == 200, (name, response.content)
            continue
        assert (name, response.status_code) == (name, 403 if name in FOR_KAS or name == "lfs" else 401), response.content
        assert name in FOR_KAS or response.json()["message"] == Reason.RULES_UNREADABLE.message
        told = [message for message in caplog.messages if message.startswith("Stored value")]
        assert set(told) == {report(table, column, row_id)}, name
        assert value not in caplog.text
    for name, ask in ABOUT_PROJECTS.items():
        response = ask(shell, good)
        assert response.status_code == 200, (name, response.content)
    assert [lfs_is_valid(shell, of, pair) for of, pair in zip((bad, good), credentials, strict=True)] == [False, True]
    for name in ("discover", "authorized_keys", "provisioned"):
        assert ANYWHERE[name](shell, bad).status_code == 200, name


@pytest.mark.parametrize(("table", "column", "value", "tells_kas"), PROJECTS_ROWS[:1] + PROJECTS_ROWS[-4:])
def test_a_push_that_has_happened_is_recorded_all_the_same(
    shell: Client, bad: Company, table: str, column: str, value: str, tells_kas: bool
) -> None:
    overwrite(table, column, row_of(bad, table), value)
    Project.objects.filter(pk=bad.project.pk).update(empty=True)
    response = post_receive(shell, bad)
    assert (response.status_code, response.json()["reference_counter_decreased"]) == (200, True)
    assert PushEvent.objects.filter(project=bad.project).count() == 1


def test_nothing_is_created_in_a_group_whose_addresses_cannot_be_read(shell: Client, bad: Company) -> None:
    overwrite("repositories_namespace", "ip_allowlist", bad.group.pk, '["office"]')
    response = allowed("git-receive-pack", project="acme/fresh")(shell, bad)
    assert (response.status_code, response.json()["message"]) == (401, Reason.RULES_UNREADABLE.message)
    assert not Project.objects.filter(path="fresh").exists()


def test_a_stranger_is_not_told_that_rules_cannot_be_read(shell: Client, bad: Company) -> None:
    SSHKeyFactory.create(id=12, user=UserFactory.create(username="eve"), key=public_keys.RSA_2048)
    overwrite("repositories_namespace", "ip_allowlist", bad.group.pk, '["office"]')
    hidden = allowed("git-upload-pack", key_id="12")(shell, bad)
    missing = allowed("git-upload-pack", key_id="12", project="acme/missing")(shell, bad)
    assert (hidden.status_code, hidden.json()) == (missing.status_code, missing.json())


SETTINGS: list[tuple[str, str]] = [
    ("allowed_key_types", '["rsa", "ssh-ed25519"]'),
    ("allowed_key_types", '["ssh-ed25519", 5]'),
    ("minimum_key_bits", '{"ssh-rsa": "abc"}'),
    ("minimum_key_bits", '{"rsa": [1]}'),
    ("feature_flags", '{"gitaly_x": {"projects": 5}}'),
    ("feature_flags", '{"gitaly_x": [1], "kas_y": {"users": [5]}, "kas_z": null}'),
    ("broadcasts", "[5]"),
    ("broadcasts", '[{"mesage": "Hello"}]'),
    ("broadcasts", '[{"message": "Hello", "starts_at": "tomorrow"}]'),
    ("broadcasts", '[{"message": "Hello", "starts_at": "2020-01-01T00:00:00"}]'),
    ("broadcasts", '[{"message": "Hello", "roles": [5]}]'),
    ("web_url", "javascript:alert(1)"),
    ("web_url", "https://[::1"),
    ("default_branch_name", "a..b"),
]
"""Values of which each is invalid in part; what restricts most still lets an Ed25519 key in."""


@pytest.mark.parametrize(("column", "value"), SETTINGS)
def test_a_setting_of_the_instance_that_cannot_be_read_stops_nobody(
    shell: Client, good: Company, caplog: pytest.LogCaptureFixture, column: str, value: str
) -> None:
    InstanceSettings().save()
    overwrite("internal_api_instancesettings", column, 1, value)
    instance.forget()
    for name, ask in {**ABOUT_PROJECTS, **ANYWHERE}.items():
        response = ask(shell, good)
        assert response.status_code < 300, (name, response.content)
    assert report("internal_api_instancesettings", column, 1) in caplog.messages
    assert value not in caplog.text


@pytest.mark.parametrize("value", ['["rsa"]', "[5]", '[null, "x"]'])
def test_key_types_of_which_none_can_be_read_admit_no_key_but_go_on_for_others(shell: Client, good: Company, ann: User, value: str) -> None:
    """What restricts most: no key. Sessions without one go on."""
    InstanceSettings().save()
    overwrite("internal_api_instancesettings", "allowed_key_types", 1, value)
    instance.forget()
    response = PULL(shell, good)
    assert response.status_code == 401
    assert response.json()["message"].startswith("Your SSH key is refused, since the rules on keys of its type cannot be read.")
    assert allowed("git-upload-pack", key_id="", user_id=str(ann.pk))(shell, good).status_code == 200


def test_banners_that_can_be_read_are_shown_beside_those_that_cannot(shell: Client, good: Company) -> None:
    InstanceSettings().save()
    overwrite("internal_api_instancesettings", "broadcasts", 1, '[5, {"message": "Down at noon"}, {"mesage": "x"}]')
    instance.forget()
    assert [one["message"] for one in post_receive(shell, good).json()["messages"]][:1] == ["Down at noon"]


@pytest.mark.parametrize("value", ["[5]", '["@x"]', '[{"a": 1}]'])
def test_email_domains_that_cannot_be_read_admit_nobody_to_their_own_group(
    shell: Client, bad: Company, good: Company, caplog: pytest.LogCaptureFixture, value: str
) -> None:
    row_id = SamlProvider.objects.get(group=bad.group).pk
    overwrite("scim_samlprovider", "allowed_email_domains", row_id, value)
    overwrite("repositories_namespace", "verified_email_domains", good.group.pk, value)
    InstanceSettings(email_confirmation="hard").save()
    refused = provision(shell, bad)
    assert 400 <= refused.status_code < 500, refused.content
    assert caplog.messages.count(report("scim_samlprovider", "allowed_email_domains", row_id)) == 1
    assert provision(shell, good).status_code == 201
    assert not User.objects.get(email="new@other.example").email_confirmed, "no domain is known to be verified"
    assert report("repositories_namespace", "verified_email_domains", good.group.pk) in caplog.messages
    assert {provisioned(shell, one).status_code for one in (bad, good)} == {200}


def test_a_second_factor_that_cannot_be_read_opens_nothing_and_shuts_nobody_else_out(
    shell: Client, good: Company, ann: User, caplog: pytest.LogCaptureFixture
) -> None:
    overwrite("accounts_user", "otp_secret", ann.pk, "what no key has encrypted")
    response = one_time_password(shell, good)
    assert response.json() == {"success": False, "message": "Invalid OTP"}
    assert report("accounts_user", "otp_secret", ann.pk) in caplog.messages
    for name, ask in {**ABOUT_PROJECTS, **ANYWHERE}.items():
        assert ask(shell, good).status_code < 300, name
    InstanceSettings(require_two_factor_for_git=True).save()
    assert PULL(shell, good).status_code == 401, "it still counts as one that has to be shown"
    User.objects.get(pk=ann.pk).save()
    assert isinstance(User.objects.get(pk=ann.pk).otp_secret, UnreadableSecret), "kept, until a key is there that reads it"
    with pytest.raises(ValueError, match=rf"accounts_user.otp_secret of row {ann.pk} cannot be decrypted"):
        rotate()


@pytest.mark.parametrize("value", ["[5]", '[{"api": true}]', '["api", ["api"]]', '["all"]'])
def test_scopes_that_cannot_be_read_open_nothing(db: None, caplog: pytest.LogCaptureFixture, value: str) -> None:
    root = UserFactory.create(username="root", admin=True)
    row, clear = create_token(user=root, name="a", scopes=["api"], expires_at=None)
    _, other = create_token(user=root, name="b", scopes=["api"], expires_at=None)
    overwrite("accounts_personalaccesstoken", "scopes", row.pk, value)
    path = "/api/v4/namespaces/storage/limit_exclusions"
    assert Client(headers={"private-token": clear}).get(path).status_code == 403
    assert report("accounts_personalaccesstoken", "scopes", row.pk) in caplog.messages
    assert Client(headers={"private-token": other}).get(path).status_code == 200
    assert PersonalAccessToken.objects.count() == 2


def test_a_key_that_would_be_two_lines_is_not_found(shell: Client, good: Company, key: SSHKey, caplog: pytest.LogCaptureFixture) -> None:
    overwrite("accounts_sshkey", "key", key.pk, f"{key.key}\n{public_keys.RSA_2048}")
    assert authorized_keys(shell, good).status_code == 404
    assert report("accounts_sshkey", "key", key.pk) in caplog.messages
    assert PULL(shell, good).status_code == 200


@pytest.mark.parametrize(("column", "value"), [("token", "what no key has encrypted"), ("url", "nowhere"), ("url", "http://[")])
def test_a_webhook_that_cannot_be_read_is_not_called_and_the_next_is(
    shell: Client, good: Company, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, column: str, value: str
) -> None:
    broken = Webhook.objects.create(project=good.project, url="https://a.example/", token="secret")
    whole = Webhook.objects.create(project=good.project, url="https://b.example/", token="secret")
    overwrite("repositories_webhook", column, broken.pk, value)
    called = []
    genuine = outgoing.parse_target

    def post(url: str, *_: Any, **__: Any) -> outgoing.Reply:
        genuine(url)
        called.append(url)
        return outgoing.Reply(200, {}, "", 1)

    monkeypatch.setattr(outgoing, "post", post)
    assert post_receive(shell, good).status_code == 200
    follow_project(good.project.pk)
    for delivery in WebhookDelivery.objects.order_by("pk"):
        deliver.func(delivery.lane_id)
    assert called == ["https://b.example/"]
    assert {one.lane.webhook_id: one.state for one in WebhookDelivery.objects.select_related("lane")} == {
        broken.pk: "waiting",
        whole.pk: "delivered",
    }
    assert report("repositories_webhook", column, broken.pk) in caplog.messages


@pytest.mark.parametrize(("column", "value"), [("url", "grpc://a b"), ("private_key", "what no key has encrypted")])
def test_a_receptive_agent_that_cannot_be_read_is_left_out(
    kas: Client, bad: Company, good: Company, caplog: pytest.LogCaptureFixture, column: str, value: str
) -> None:
    rows = [
        ReceptiveConfiguration.objects.create(agent=of.project.agents.get(), url="grpcs://agent.example", private_key="a2V5")
        for of in (bad, good)
    ]
    overwrite("kubernetes_agent_receptiveconfiguration", column, rows[0].pk, value)
    response = kas.get(f"{INTERNAL}/kubernetes/receptive_agents")
    assert [one["id"] for one in response.json()["agents"]] == [rows[1].agent_id]
    assert report("kubernetes_agent_receptiveconfiguration", column, rows[0].pk) in caplog.messages


def test_a_policy_that_cannot_be_read_says_nothing_and_the_others_do(good: Company, caplog: pytest.LogCaptureFixture) -> None:
    rows = [SecurityPolicy.objects.create(project=good.project, name=name, yaml="actions: [{scan: sast}]") for name in "ab"]
    overwrite("kubernetes_agent_securitypolicy", "yaml", rows[0].pk, "actions: [")
    response = good.agent.get(f"{INTERNAL}/kubernetes/modules/starboard_vulnerability/scan_execution_policies")
    assert response.status_code in {200, 404}
    response = good.agent.get(f"{INTERNAL}/kubernetes/modules/starboard_vulnerability/policies_configuration")
    assert response.status_code == 200, response.content
    assert report("kubernetes_agent_securitypolicy", "yaml", rows[0].pk) in caplog.messages


def test_the_doctor_names_every_row_that_cannot_be_read(bad: Company, good: Company, ann: User, capsys: pytest.CaptureFixture[str]) -> None:
    InstanceSettings().save()
    hook = Webhook.objects.create(project=bad.project, url="https://a.example/", token="secret")
    below = GroupFactory.create(path="below", parent=bad.group)
    rows = [
        ("internal_api_instancesettings", "broadcasts", 1, "[5]"),
        ("internal_api_instancesettings", "minimum_key_bits", 1, '{"rsa": 4096}'),
        ("repositories_namespace", "ip_allowlist", bad.group.pk, '["office"]'),
        ("repositories_namespace", "ip_allowlist", below.pk, '["10.0.0.0/8"]'),
        ("repositories_storage", "gitaly_token", bad.project.storage_id, "what no key has encrypted"),
        ("repositories_webhook", "url", hook.pk, "nowhere"),
        ("accounts_user", "otp_secret", ann.pk, "what no key has encrypted"),
        ("scim_samlprovider", "allowed_email_domains", SamlProvider.objects.get(group=bad.group).pk, '["@x"]'),
    ]
    for table, column, row_id, value in rows:
        overwrite(table, column, row_id, value)
    with pytest.raises(SystemExit):
        call_command("doctor", "--json", "--seconds", "0.2")
    told = [one["text"] for one in json.loads(capsys.readouterr().out) if one["name"] == "stored settings"]
    for table, column, row_id, _ in rows:
        assert any(f"{table}.{column} of row {row_id}" in text for text in told), (table, column, told)
    assert "what no key has encrypted" not in str(told)
    assert not any("of row" in text and f"row {good.group.pk}:" in text for text in told if "namespace" in text)


def test_the_doctor_looks_at_every_model_that_an_administrator_sets(db: None) -> None:
    load_registrations("doctor_checks")
    assert {Storage, Namespace, Project, Webhook, InstanceSettings, User, SSHKey, SamlProvider, SecurityPolicy} <= set(registered_models())
