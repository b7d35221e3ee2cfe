"""The administrators' site: for administrators only, every list and form opens, nothing secret is on them."""

import re
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.db import IntegrityError, models, transaction
from django.db.models import QuerySet
from django.test import Client, RequestFactory
from django.urls import reverse
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts.models import BlockedBy, PersonalAccessToken, SSHKey, User
from accounts.services.personal_access_tokens import create_token
from accounts.services.users import block
from internal_api.digests import token_digest
from internal_api.model_fields import StringListField, StructuredField
from internal_api.models import AuditEvent, InstanceSettings, RefusedPeer
from kubernetes_agent.models import AgentAuthorization, AgentToken, Scanner, SecurityPolicy, Vulnerability
from kubernetes_agent.services.metrics import increase_counters
from kubernetes_agent.services.tokens import create_agent_token
from repositories.lfs.locks import create_lock
from repositories.models import (
    DeliveryLane,
    ErrorTrackingKey,
    GroupSSHCertificate,
    LFSObject,
    LFSObjectLink,
    Namespace,
    PendingPush,
    Project,
    ProtectedBranch,
    ProtectedTag,
    PushEvent,
    Refusal,
    Storage,
    Webhook,
    WebhookDelivery,
)
from repositories.policy import Change
from repositories.services.access import grant_deploy_key, set_member
from repositories.services.certificates import add_certificate_authority, set_enterprise_group
from repositories.services.protected_refs import protect_branch, protect_tag
from scim.models import GroupMembership, Identity, SamlGroupLink, SamlProvider, SCIMToken
from scim.services.tokens import rotate_token, scope_of
from storage_limits.models import LimitExclusion
from storage_limits.services.exclusions import exclude
from tests import public_keys
from tests.factories import AgentFactory, DeployKeyFactory, GroupFactory, SSHKeyFactory, UserFactory
from tests.gitaly_server import running

OURS = {"internal_api", "accounts", "repositories", "kubernetes_agent", "scim", "storage_limits"}
MODELS = [model for model in admin.site._registry if model._meta.app_label in OURS]  # noqa: SLF001  Django has no other list of them


@pytest.fixture
def root(db: None) -> User:
    return UserFactory.create(username="root", admin=True, password="correct horse battery")


@pytest.fixture
def administrator(root: User) -> Client:
    """Signed in through the site's own form."""
    client = Client()
    response = client.post(reverse("admin:login"), {"username": "root", "password": "correct horse battery"})
    assert response.status_code == 302
    return client


def _pushed(project: Project, user: User) -> None:
    """A pull that was refused, and a push, with a delivery that waits for a webhook that was switched off."""
    Refusal.objects.create(username="ann", action="git-upload-pack", reason="blocked")
    event = PushEvent.objects.create(project=project, gl_repository="project-1", changes=[["0", "1", "refs/heads/x"]], user=user)
    line = Change("0" * 40, "1" * 40, "refs/heads/x")
    PendingPush.objects.create(project=project, gl_repository="project-1", packed_changes=PendingPush.pack([line]), due_at=timezone.now())
    url, token = "https://ci.example.com/hook", "the webhook token"
    hook = Webhook.objects.create(project=project, url=url, token=token, switched_off_reason="x", active=False)
    lane = DeliveryLane.objects.create(webhook=hook, project=project)
    WebhookDelivery.objects.create(lane=lane, push_event=event, position=0, event="push", payload={"ref": "refs/heads/x"})


def _large_files(project: Project, user: User) -> None:
    LFSObjectLink.objects.create(project=project, lfs_object=LFSObject.objects.create(oid="0" * 64, size=1))
    create_lock(project.pk, "a.bin", user.pk)


@pytest.fixture
def company(rockets: Project, ann: User, root: User) -> dict[Any, Any]:
    """One row of everything there is."""
    set_member(rockets, ann, 30)
    key = SSHKeyFactory.create(user=ann)
    grant_deploy_key(rockets, DeployKeyFactory.create(owner=ann), can_push=True)
    protect_branch(rockets, "main", {"push": [ann]})
    protect_tag(rockets, "v*", {})
    Storage.objects.update(gitaly_token="the gitaly token")
    create_token(user=ann, name="ci", scopes=["api"], expires_at=None)
    User.objects.filter(pk=ann.pk).update(otp_secret="the otp secret")
    _pushed(rockets, ann)
    _large_files(rockets, ann)
    AuditEvent.objects.create(action="sign_in")
    add_certificate_authority(rockets.namespace, key=public_keys.RSA_2048)
    set_enterprise_group(ann, rockets.namespace)
    ErrorTrackingKey.objects.create(project=rockets, public_key="glet_1")
    InstanceSettings().save()
    RefusedPeer.objects.create(day="2030-01-01", address="10.0.0.1", caller="gitlab-shell", number=3, last_at="2030-01-01T00:00:00Z")
    agent = AgentFactory.create(project=rockets, created_by=ann)
    create_agent_token(agent=agent, name="first", token="the agent token")
    AgentAuthorization.objects.create(agent=agent, kind="ci_access", project=rockets)
    SecurityPolicy.objects.create(project=rockets, name="nightly", yaml="actions: []")
    scanner = Scanner.objects.create(project=rockets, external_id="x", name="x")
    Vulnerability.objects.create(uuid="1", project=rockets, agent=agent, scanner=scanner, name="CVE-1", title="CVE-1", severity=6)
    increase_counters({"k8s_api_proxy_request": 3})
    for token in ("the scim token", "the later scim token"):
        rotate_token(rockets.namespace, token=token)
    Identity.objects.create(scope=scope_of(rockets.namespace), user=ann, extern_uid="x")
    SamlProvider.objects.create(group=rockets.namespace)
    SamlGroupLink.objects.create(group=rockets.namespace, name="Engineers", access_level=30)
    GroupMembership.objects.create(scim_group_uid="x", user=ann)
    exclude(rockets.namespace, "for testing reasons")
    return {model: model._default_manager.order_by("pk").first() for model in MODELS} | {SSHKey: key, User: ann}  # noqa: SLF001  the default manager


@pytest.mark.parametrize("model", MODELS)
def test_every_list_and_form_opens_in_few_statements_and_shows_no_secret(
    administrator: Client, company: dict[Any, Any], model: Any, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"  # noqa: SLF001  a model
    row = company[model]
    with django_assert_max_num_queries(12):
        pages = [administrator.get(reverse(f"{name}_changelist"))]
    pages.append(administrator.get(reverse(f"{name}_changelist"), {"q": "ann"}))
    pages.append(administrator.get(reverse(f"{name}_change", args=[row.pk])))
    for page in pages:
        assert page.status_code == 200
        for secret in (
            "the gitaly token",
            "the agent token",
            token_digest("the agent token"),
            "the otp secret",
            "the webhook token",
            "glpat-",
            "pbkdf2",
            "md5$",
        ):
            assert secret not in page.content.decode()


def test_a_key_is_found_by_pasting_it(administrator: Client, company: dict[Any, Any]) -> None:
    page = administrator.get(reverse("admin:accounts_sshkey_changelist"), {"q": public_keys.ED25519})
    assert page.content.decode().count("field-fingerprint") == 1


def test_what_kas_has_counted_is_a_table_with_charts(administrator: Client, company: dict[Any, Any]) -> None:
    page = administrator.get(reverse("admin:kubernetes_agent_usagecounter_changelist")).content.decode()
    assert "<td>3</td>" in page
    assert '<svg role="img" aria-label="k8s_api_proxy_request: 3 in 28 days"' in page


def test_agent_tokens_are_revoked_with_an_entry_in_the_history(administrator: Client, company: dict[Any, Any], root: User) -> None:
    token = company[AgentToken]
    values = {"action": "revoke", "_selected_action": [token.pk]}
    assert administrator.post(reverse("admin:kubernetes_agent_agenttoken_changelist"), values).status_code == 302
    token.refresh_from_db()
    assert token.status == "revoked"
    assert LogEntry.objects.get().object_id == str(token.pk)


def test_a_scim_token_is_rotated_and_shown_once(administrator: Client, company: dict[Any, Any]) -> None:
    values = {"action": "rotate", "_selected_action": [company[SCIMToken].pk]}
    page = administrator.post(reverse("admin:scim_scimtoken_changelist"), values, follow=True).content.decode()
    shown = re.search(r"glsoat-[\w-]+", page)
    assert shown is not None
    assert SCIMToken.objects.get().token_digest == token_digest(shown[0])
    assert shown[0] not in administrator.get(reverse("admin:scim_scimtoken_changelist")).content.decode()
    assert LogEntry.objects.count() == 1
    assert SCIMToken.objects.get().previous_digest
    administrator.post(reverse("admin:scim_scimtoken_changelist"), {**values, "action": "rotate_now"})
    assert SCIMToken.objects.get().previous_digest == ""


@pytest.mark.parametrize(
    ("model", "action", "column", "value"),
    [
        (User, "block", "state", "blocked"),
        (PersonalAccessToken, "revoke", "revoked", True),
        (Project, "archive", "archived", True),
    ],
)
def test_actions_change_rows_and_are_in_the_history(
    administrator: Client, company: dict[Any, Any], root: User, model: Any, action: str, column: str, value: Any
) -> None:
    row = company[model]
    address = reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")  # noqa: SLF001  a model
    for _ in range(2):
        assert administrator.post(address, {"action": action, "_selected_action": [row.pk, root.pk]}).status_code == 302
    row.refresh_from_db()
    assert getattr(row, column) == value
    assert LogEntry.objects.filter(user=root, object_id=str(row.pk)).count() == 1
    root.refresh_from_db()
    assert root.is_staff
    if action != "revoke":
        assert administrator.post(address, {"action": f"un{action}", "_selected_action": [row.pk]}).status_code == 302
        row.refresh_from_db()
        assert getattr(row, column) != value


def test_the_form_and_the_list_of_users_tell_who_blocked(administrator: Client, ann: User, root: User) -> None:
    """A state that is changed by hand is the administrator's, with an audit event; SCIM's blocks can be listed alone."""
    block(ann, by=BlockedBy.SCIM)
    address = reverse("admin:accounts_user_change", args=[ann.pk])
    for state, blocked_by in (("blocked", "scim"), ("banned", "administrator"), ("active", ""), ("blocked", "administrator")):
        listed = administrator.get(reverse("admin:accounts_user_changelist"), {"blocked_by__exact": "scim"}).content.decode()
        assert ("ann@example.com" in listed) is (ann.blocked_by == "scim")
        form = administrator.get(address)
        assert "field-blocked_by" in form.content.decode()
        values = {name: value for name, value in form.context["adminform"].form.initial.items() if value is not None and value is not False}
        answer = administrator.post(address, {**values, "state": state})
        assert answer.status_code == 302, answer.context["adminform"].form.errors
        ann.refresh_from_db()
        assert (ann.state, ann.blocked_by) == (state, blocked_by)
    events = AuditEvent.objects.filter(entity_type="User", author_name="root").order_by("pk")
    assert [(event.action, *(event.changes["blocked_by"][side] for side in ("before", "after"))) for event in events] == [
        ("user_blocked", "scim", "administrator"),
        ("user_unblocked", "administrator", ""),
        ("user_blocked", "", "administrator"),
    ]
    assert {event.author_id for event in events} == {root.pk}


def test_the_action_takes_a_block_of_scim_over(administrator: Client, ann: User) -> None:
    block(ann, by=BlockedBy.SCIM)
    administrator.post(reverse("admin:accounts_user_changelist"), {"action": "block", "_selected_action": [ann.pk]})
    ann.refresh_from_db()
    assert (ann.state, ann.blocked_by) == ("blocked", "administrator")
    event = AuditEvent.objects.get(action="user_blocked", author_name="root")
    assert (event.entity_path, event.changes["blocked_by"]) == ("ann", {"before": "scim", "after": "administrator"})


def test_the_front_page_tells_how_the_service_is_doing(administrator: Client, company: dict[Any, Any]) -> None:
    """Health, numbers, pushes with a chart, refusals by reason, provisioning, agents, storage."""
    Namespace.objects.filter(path="acme").update(over_storage_limit=True)
    page = administrator.get("/admin/").content.decode()
    told = dict(re.findall(r'<th scope="row">(?:<a[^>]*>)?([^<]+)(?:</a>)?</th>\s*<td[^>]*>([^<]*)</td>', page))
    wanted = {
        "Database": "answers", "Shared store": "answers", "default": "away", "Users": "2", "of whom not active": "0", "Projects": "1", "Today": "1",
        "blocked": "1", "Identities": "0", "Agents": "1", "connected": "0", "Open vulnerabilities": "1", "Namespaces over their limit": "1", "Excluded": "1",
        "Workers": "0", "Tasks waiting": "0", "Switched off after failures": "1", "Deliveries waiting": "1",
    }  # fmt: skip
    assert {name: told.get(name) for name in wanted} == wanted
    assert 'aria-label="1 pushes in 28 days"' in page
    assert page.count('class="bad"') == 4


def test_may_this_key_push_that_ref(administrator: Client, company: dict[Any, Any]) -> None:
    """The policy's own explanation, without a push and without a record."""
    address = reverse("admin:repositories_project_access")
    asked = {"ask": "Ask", "project": "acme/rockets", "action": "git-receive-pack", "protocol": "ssh", "change": "update"}

    def answer(**values: str) -> str:
        page = administrator.get(address, {**asked, **values})
        assert page.status_code == 200
        found = re.search(r'<caption id="verdict">([^<]*)</caption>', page.content.decode())
        return found[1] if found else page.content.decode()

    refusals = Refusal.objects.count()
    assert answer(key=public_keys.ED25519) == "allowed"
    assert answer(key=public_keys.ED25519, ref="refs/heads/topic") == "allowed"
    assert answer(key=f"SHA256:{company[SSHKey].fingerprint}", ref="refs/tags/v1", change="create").startswith("denied (")
    protect_branch(company[Project], "release", {"push": [company[User]], "merge": [company[User]]})
    assert answer(username="ann", ref="refs/heads/release") == "allowed"
    assert answer(username="ann", ref="refs/heads/release", change="force").startswith("denied (")
    assert "There is no user &#x27;nobody&#x27;." in answer(username="nobody")
    assert "There is no project &#x27;acme/nothing&#x27;" in answer(username="ann", project="acme/nothing", action="git-upload-pack")
    assert "check_ip must be an IP address" in answer(username="ann", check_ip="office")
    assert answer(username="ann", project="ann/brand-new") == "the project would be created"
    assert not Project.objects.filter(path="brand-new").exists()
    assert answer(username="ann", action="git-upload-pack") == "allowed"
    assert "There is no key" in answer(key="nonsense")
    assert "Not a valid ref name." in answer(username="ann", ref="a b\nc")
    assert '<form method="get">' in administrator.get(address).content.decode()
    assert Refusal.objects.count() == refusals
    assert Client().get(address).status_code == 302


def test_who_can_reach_a_project(administrator: Client, company: dict[Any, Any]) -> None:
    project = company[Project]
    page = administrator.get(reverse("admin:repositories_project_reach", args=[project.pk])).content.decode()
    assert "member of the project" in page
    assert "Deploy keys" in page
    assert (
        reverse("admin:repositories_project_reach", args=[project.pk])
        in administrator.get(reverse("admin:repositories_project_change", args=[project.pk])).content.decode()
    )
    assert administrator.get(reverse("admin:repositories_project_reach", args=[0])).status_code == 404


def test_a_project_is_not_removed_while_gitaly_is_away(administrator: Client, company: dict[Any, Any]) -> None:
    project = company[Project]
    address = reverse("admin:repositories_project_delete", args=[project.pk])
    page = administrator.post(address, {"post": "yes"}, follow=True).content.decode()
    assert "The repository cannot be removed at the moment" in page
    assert Project.objects.filter(pk=project.pk).exists()


def test_a_project_is_removed_with_its_repository(administrator: Client, company: dict[Any, Any], tmp_path: Path) -> None:
    project = company[Project]
    with running(tmp_path / "storages") as gitaly:
        Storage.objects.update(gitaly_address=gitaly.address, gitaly_token=None)
        assert administrator.post(reverse("admin:repositories_project_delete", args=[project.pk]), {"post": "yes"}).status_code == 302
    assert not Project.objects.exists()


def test_exclusions_are_made_and_removed_under_the_apis_rules(administrator: Client, company: dict[Any, Any], root: User) -> None:
    add = reverse("admin:storage_limits_limitexclusion_add")
    inner = GroupFactory.create(path="tools", parent=company[Project].namespace)
    assert "must use a root namespace" in administrator.post(add, {"namespace": inner.pk, "reason": "x"}).content.decode()
    other = GroupFactory.create(path="other")
    assert administrator.post(add, {"namespace": other.pk, "reason": "because"}).status_code == 302
    assert LimitExclusion.objects.get(namespace=other).reason == "because"
    assert administrator.post(add, {"namespace": other.pk, "reason": "again"}).status_code == 200
    row = LimitExclusion.objects.get(namespace=other)
    assert administrator.post(reverse("admin:storage_limits_limitexclusion_delete", args=[row.pk]), {"post": "yes"}).status_code == 302
    assert not LimitExclusion.objects.filter(namespace=other).exists()
    assert [event.author_id for event in AuditEvent.objects.filter(entity_type="LimitExclusion", entity_path="other")] == [root.pk] * 2
    assert LogEntry.objects.filter(user=root).count() == 2


def test_an_agents_token_is_rotated_and_shown_once(administrator: Client, company: dict[Any, Any]) -> None:
    values = {"action": "rotate", "_selected_action": [company[AgentToken].pk]}
    page = administrator.post(reverse("admin:kubernetes_agent_agenttoken_changelist"), values, follow=True).content.decode()
    shown = re.search(r"glagent-[\w-]+", page)
    assert shown is not None
    assert AgentToken.objects.get(status="active").token_digest == token_digest(shown[0])
    assert shown[0] not in administrator.get(reverse("admin:kubernetes_agent_agenttoken_changelist")).content.decode()


def test_namespaces_tell_what_they_use_of_their_limit(administrator: Client, company: dict[Any, Any]) -> None:
    Project.objects.update(storage_size=950)
    Namespace.objects.filter(path="acme").update(storage_limit=1000)
    page = administrator.get(reverse("admin:repositories_namespace_changelist"), {"q": "acme"}).content.decode().replace("\xa0", " ")
    assert "950 bytes of 1000 bytes, 95 %" in page


def test_a_change_is_in_the_history_with_who_and_when(administrator: Client, company: dict[Any, Any], root: User) -> None:
    form = administrator.get(reverse("admin:internal_api_instancesettings_change", args=[1])).context["adminform"].form
    values = {name: value for name, value in form.initial.items() if value is not None}
    values |= dict.fromkeys(("allowed_key_types", "broadcasts", "minimum_key_bits", "feature_flags"), "")
    response = administrator.post(reverse("admin:internal_api_instancesettings_change", args=[1]), {**values, "read_only": "on"})
    assert response.status_code == 302, response.content
    assert InstanceSettings.current().read_only
    assert LogEntry.objects.get().user_id == root.pk


@pytest.mark.parametrize("who", ["nobody", "ann", "blocked root"])
def test_nobody_else_comes_in(db: None, who: str) -> None:
    client = Client()
    if who == "ann":
        client.force_login(UserFactory.create(username="ann"))
    if who == "blocked root":
        client.force_login(UserFactory.create(username="root", admin=True, state="blocked"))
    response = client.get("/admin/")
    assert response.status_code == 302
    assert response["Location"].startswith("/admin/login/")


def test_a_forged_form_is_refused(root: User) -> None:
    """The site's own middleware is at work on its own paths."""
    client = Client(enforce_csrf_checks=True)
    client.force_login(root)
    assert client.post("/admin/logout/").status_code == 403


def test_a_webhooks_token_is_set_kept_and_removed_and_never_shown(administrator: Client, rockets: Project) -> None:
    values = {"project": rockets.pk, "namespace": "", "url": "https://ci.example.com/hook", "push_events": "on", "active": "on"}
    add = reverse("admin:repositories_webhook_add")
    assert administrator.post(add, {**values, "token": "the webhook token"}).status_code == 302
    hook = Webhook.objects.get()
    change = reverse("admin:repositories_webhook_change", args=[hook.pk])
    assert "the webhook token" not in administrator.get(change).content.decode()
    for token, remove, kept in (("", "", "the webhook token"), ("another", "", "another"), ("", "on", None)):
        form = {**values, "token": token, **({"remove_token": "on"} if remove else {})}
        assert administrator.post(change, form).status_code == 302
        hook.refresh_from_db()
        assert hook.token == kept
    for wrong in ({"url": "ftp://x/"}, {"url": "http://ann:secret@x/"}, {"token": "new\nline"}, {"token": "schlüssel"}):
        assert administrator.post(change, {**values, **wrong}).status_code == 200
    assert administrator.post(add, values).status_code == 200, "an address is told once"


def test_a_webhook_of_the_whole_instance_has_to_be_said_to_be_one(administrator: Client, rockets: Project) -> None:
    """Blank fields do not tell a stranger of every private push."""
    values = {"project": "", "namespace": "", "url": "https://ci.example.com/hook", "push_events": "on", "active": "on"}
    add = reverse("admin:repositories_webhook_add")
    for wrong in (values, {**values, "project": rockets.pk, "instance": "on"}):
        refused = administrator.post(add, wrong)
        assert "Choose a project, a group or the whole instance, one of them." in refused.content.decode()
    assert not Webhook.objects.exists()
    assert "private ones included" in administrator.get(add).content.decode()
    assert administrator.post(add, {**values, "instance": "on"}).status_code == 302
    assert Webhook.objects.get().instance


def test_a_delivery_is_shown_whole_and_made_again_by_a_button(administrator: Client, company: dict[Any, Any], root: User) -> None:
    delivery = company[WebhookDelivery]
    WebhookDelivery.objects.update(
        state="failed", attempts=12, response_status=500, response_body="<b>oops</b>", response_headers={"Server": "x"}, duration_ms=17
    )
    change = reverse("admin:repositories_webhookdelivery_change", args=[delivery.pk])
    page = administrator.get(change).content.decode()
    for part in (
        "X-Gitlab-Event: Push Hook",
        "&quot;ref&quot;: &quot;refs/heads/x&quot;",
        "Server: x",
        "&lt;b&gt;oops&lt;/b&gt;",
        "500",
        "17",
    ):
        assert part in page, part
    again = reverse("admin:repositories_webhookdelivery_again", args=[delivery.pk])
    assert again in page
    assert administrator.get(again).status_code == 302
    delivery.refresh_from_db()
    assert delivery.state == "failed", "a link does nothing"
    assert administrator.post(again).status_code == 302
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("waiting", 0)
    assert delivery.lane.wake_at is not None
    assert LogEntry.objects.filter(user=root, object_id=str(delivery.pk)).count() == 1


def test_a_webhook_is_switched_on_again(administrator: Client, company: dict[Any, Any]) -> None:
    hook = company[Webhook]
    values = {"action": "switch_on", "_selected_action": [hook.pk]}
    assert administrator.post(reverse("admin:repositories_webhook_changelist"), values).status_code == 302
    hook.refresh_from_db()
    assert (hook.active, hook.failures, hook.switched_off_reason) == (True, 0, "")


BAD_TEXTS = {
    "allowed_key_types": "rsa",
    "minimum_key_bits": "ssh-rsa: abc",
    "feature_flags": "gitaly_x: {projects: 5}",
    "broadcasts": "- {mesage: Hello}",
    "web_url": "ftp://git.example.com",
    "default_branch_name": "a..b",
    "default_branch": "a..b",
    "ip_allowlist": "10.0.0.0/8\noffice",
    "verified_email_domains": "@example.com",
    "allowed_email_domains": "https://example.com",
    "gitaly_address": "gitaly:8075",
    "url": "nowhere",
    "token": "schlüssel",
    "name": " ",
    "public_key": " ",
    "title": " ",
    "reason": " ",
    "yaml": "- a",
    "email": "nobody",
    "storage_limit": "-1",
    "storage_size": "-1",
    "access_level": "35",
}
"""What is wrong for a field of its own rule; all other fields are given what no field of their kind takes."""
CHANGEABLE = [Storage, Namespace, Project, ProtectedBranch, ProtectedTag, Webhook, ErrorTrackingKey, User, SSHKey, InstanceSettings]
CHANGEABLE += [GroupSSHCertificate, SamlProvider, SamlGroupLink, SecurityPolicy, LimitExclusion]


def _submitted(form: Any) -> dict[str, Any]:
    """What a browser sends when nothing was typed."""
    values: dict[str, Any] = {}
    for name, field in form.fields.items():
        shown = field.prepare_value(form[name].value())
        if isinstance(field, forms.SplitDateTimeField):
            for number, part in enumerate(field.widget.decompress(form.initial.get(name))):
                values[f"{name}_{number}"] = part.isoformat() if part else ""
        elif shown is not None and shown is not False:
            values[name] = shown
    return values


def _bad_values(name: str, field: Any) -> list[Any]:
    if isinstance(field, forms.BooleanField):
        return []
    found = [BAD_TEXTS[name]] if name in BAD_TEXTS else []
    if isinstance(field, forms.IntegerField):
        return [*found, "-1", "abc", str(10**30)]
    if isinstance(field, forms.ChoiceField):
        return [*found, "banana"]
    if isinstance(field, forms.ModelChoiceField):
        return ["999999", "abc"]
    if isinstance(field, forms.DateField | forms.DateTimeField | forms.SplitDateTimeField):
        return ["tomorrow"]
    too_long = ["x" * (field.max_length + 1)] if field.max_length else []
    return [*found, *too_long, "a\x00b", *([""] if field.required else [])]


def _is_refused(build: Any, row: Any, values: dict[str, Any], name: str, bad: Any) -> bool:
    typed = {**values, name: bad, f"{name}_0": bad, f"{name}_1": bad}
    form = build(typed, instance=type(row)._default_manager.get(pk=row.pk))  # noqa: SLF001  the default manager
    return not form.is_valid() and (name in form.errors or "__all__" in form.errors)


@pytest.mark.parametrize("model", CHANGEABLE, ids=lambda model: model.__name__)
def test_every_field_of_every_form_refuses_what_is_invalid(company: dict[Any, Any], root: User, rf: RequestFactory, model: Any) -> None:
    request = rf.get("/admin/")
    request.user = root
    row = company[model]
    build = admin.site._registry[model].get_form(request, row, change=True)  # noqa: SLF001  Django has no other list of them
    values = _submitted(build(instance=row))
    assert build(values, instance=type(row)._default_manager.get(pk=row.pk)).is_valid(), "what is shown can be sent back"  # noqa: SLF001  likewise
    tried = [(name, bad) for name, field in build.base_fields.items() for bad in _bad_values(name, field)]
    accepted = [(name, bad) for name, bad in tried if not _is_refused(build, row, values, name, bad)]
    assert not accepted
    assert tried


def test_every_model_that_the_site_changes_is_tried(rf: RequestFactory, root: User) -> None:
    request = rf.get("/admin/")
    request.user = root
    changed = {model for model in MODELS if admin.site._registry[model].has_change_permission(request)}  # noqa: SLF001  Django has no other list of them
    typed = {model for model in changed if _typed_fields(model, request)}
    assert typed <= set(CHANGEABLE), typed - set(CHANGEABLE)


def _typed_fields(model: Any, request: Any) -> set[str]:
    fields = admin.site._registry[model].get_form(request, change=True).base_fields  # noqa: SLF001  likewise
    return {name for name, field in fields.items() if not isinstance(field, forms.BooleanField | forms.ModelChoiceField)}


@pytest.mark.parametrize("model", [*CHANGEABLE, PersonalAccessToken, SCIMToken, AgentToken], ids=lambda model: model.__name__)
def test_the_database_refuses_words_that_are_no_choice_and_json_of_another_kind(company: dict[Any, Any], model: Any) -> None:
    rows: QuerySet[Any] = QuerySet(model).filter(pk=company[model].pk)
    tried = 0
    for field in model._meta.concrete_fields:  # noqa: SLF001  Django's public name for it
        wrong: list[Any] = []
        if field.choices:
            wrong = [999] if isinstance(field, models.IntegerField) else ["x"]
        elif isinstance(field, StringListField | StructuredField):
            wrong = ["text", 5, {"a": 1} if isinstance(field.get_default(), list) else [1]]
        for value in wrong:
            tried += 1
            with pytest.raises(IntegrityError), transaction.atomic():
                rows.update(**{field.name: value})
    assert tried or not any(field.choices for field in model._meta.concrete_fields)  # noqa: SLF001  likewise


def test_a_level_of_a_rule_names_one_and_is_for_the_right_thing(administrator: Client, rockets: Project, ann: User) -> None:
    """The rows below a rule are judged like the rule."""
    inline = {"grants-TOTAL_FORMS": "1", "grants-INITIAL_FORMS": "0", "grants-MIN_NUM_FORMS": "0", "grants-MAX_NUM_FORMS": "1000"}
    for kind, site, wrong in (("protectedbranch", {"namespace": ""}, "create"), ("protectedtag", {}, "push")):
        add = reverse(f"admin:repositories_{kind}_add")
        values = {"project": rockets.pk, "name": "main", **site, **inline}
        right = "create" if wrong == "push" else "push"
        for grant in (
            {"grants-0-kind": wrong, "grants-0-access_level": "40"},
            {"grants-0-kind": right, "grants-0-access_level": "35"},
            {"grants-0-kind": right, "grants-0-access_level": "40", "grants-0-user": ann.pk},
            {"grants-0-kind": right},
        ):
            assert administrator.post(add, {**values, **grant}).status_code == 200, (kind, grant)
        assert administrator.post(add, {**values, "grants-0-kind": right, "grants-0-access_level": "40"}).status_code == 302


@pytest.mark.parametrize("typed", ["office", "10.0.0.0/33", "10.0.0.0/8, 192.168.0.0/16"])
def test_an_administrator_is_told_which_line_is_wrong(administrator: Client, company: dict[Any, Any], typed: str) -> None:
    acme = Namespace.objects.get(path="acme")
    change = reverse("admin:repositories_namespace_change", args=[acme.pk])
    form = administrator.get(change).context["adminform"].form
    values = {name: value for name, value in _submitted(form).items() if value is not None}
    page = administrator.post(change, {**values, "ip_allowlist": f"192.0.2.0/24\n{typed}"}).content.decode()
    assert f"&#x27;{typed}&#x27; is not a range of addresses such as 10.0.0.0/8" in page
    assert administrator.post(change, {**values, "ip_allowlist": "192.0.2.0/24\n"}).status_code == 302
    assert Namespace.objects.get(pk=acme.pk).ip_allowlist == ["192.0.2.0/24"]


def test_a_list_of_addresses_is_refused_below_the_top(administrator: Client, company: dict[Any, Any]) -> None:
    """Decisions 10a: it would be accepted and enforced nowhere."""
    below = GroupFactory.create(path="below", parent=Namespace.objects.get(path="acme"))
    change = reverse("admin:repositories_namespace_change", args=[below.pk])
    values = _submitted(administrator.get(change).context["adminform"].form)
    for name, value in {"ip_allowlist": "10.0.0.0/8", "enabled_git_access_protocol": "ssh", "storage_limit": "5"}.items():
        assert "is for top-level groups" in administrator.post(change, {**values, name: value}).content.decode(), name
