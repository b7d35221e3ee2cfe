"""Every operation of the API that changes configuration leaves events with the caller, and every other leaves none."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyotp
import pytest
from django.test import Client

from accounts.models import User
from accounts.services.personal_access_tokens import create_token
from internal_api.models import AuditEvent, InstanceSettings
from internal_api.openapi import schema
from kubernetes_agent.models import Agent
from repositories.models import Member, Namespace, Project, Storage
from repositories.services.access import set_member
from scim.models import SamlGroupLink, SamlProvider, SCIMToken, Scope
from scim.services.tokens import rotate_token, scope_of
from storage_limits.services.exclusions import exclude
from tests.audit_log import held_against_the_rows
from tests.factories import GroupFactory, SSHKeyFactory, UserFactory
from tests.gitaly_server import running
from tests.kubernetes_agent.conftest import production  # noqa: F401  fixtures
from tests.scim.conftest import A, G, P, identity

INTERNAL = "/api/v4/internal"
SCIM_TOKENS = {"instance": "glsoat-of-the-instance-0", "group": "glsoat-of-the-group-0000"}
UID = "11111111-1111-4111-8111-111111111111"
PATCH_OP = "urn:ietf:params:scim:api:messages:2.0:PatchOp"
FROM: Any = {"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "203.0.113.1, 198.51.100.7"}


def patch_op(op: str, **value: Any) -> dict[str, Any]:
    return {"schemas": [PATCH_OP], "Operations": [{"op": op, **value}]}


@dataclass(frozen=True)
class Case:
    """A request, the actions of the events it leaves, and who they say it was."""

    operation: str
    path: str
    body: Any
    actions: tuple[str, ...]
    kind: str = "scim"
    besides: tuple[str, ...] = ()
    prepare: Callable[[], Any] | None = None
    in_steps: bool = False


SCIM_APP, SCIM_GROUP = "/api/scim/v2/application", "/api/scim/v2/groups/{group_path}"
MEMBERS = {"scim_group_members_added", "scim_group_members_removed", "scim_group_linked", "scim_group_unlinked"}


def _linked() -> None:
    SamlGroupLink.objects.update(scim_group_uid=UID)


def _with_member() -> None:
    _linked()
    client = Client(headers={"authorization": f"Bearer {SCIM_TOKENS['instance']}"})
    body = patch_op("add", path="members", value=[{"value": "ext-1"}])
    assert client.patch(f"{A}/Groups/{UID}", body, "application/scim+json").status_code == 204


def _excluded() -> None:
    exclude(Namespace.objects.get(path="acme"), "because")


NEW = {**P, "externalId": "new"}
OFF = patch_op("replace", path="active", value=False)
CASES = [
    Case(f"POST {SCIM_APP}/Users", f"{A}/Users", NEW, ("user_created", "user_provisioned_by_scim")),
    Case(f"PATCH {SCIM_APP}/Users/{{identifier}}", f"{A}/Users/ext-1", OFF, ("user_blocked", "user_deprovisioned_by_scim")),
    Case(f"PUT {SCIM_APP}/Users/{{identifier}}", f"{A}/Users/ext-1", {**P, "externalId": "ext-2"}, ("scim_identity_renamed",)),
    Case(f"DELETE {SCIM_APP}/Users/{{identifier}}", f"{A}/Users/ext-1", None,
         ("scim_identity_removed", "user_blocked", "user_deprovisioned_by_scim"), in_steps=True),
    Case(f"POST {SCIM_GROUP}/Users", f"{G}/Users", NEW,
         ("member_created", "saml_identity_created", "user_created", "user_provisioned_by_scim")),
    Case(f"PATCH {SCIM_GROUP}/Users/{{identifier}}", f"{G}/Users/ext-1", OFF, ("member_removed", "user_deprovisioned_by_scim")),
    Case(f"PUT {SCIM_GROUP}/Users/{{identifier}}", f"{G}/Users/ext-1", {**P, "externalId": "ext-2"}, ("scim_identity_renamed",)),
    Case(f"DELETE {SCIM_GROUP}/Users/{{identifier}}", f"{G}/Users/ext-1", None,
         ("member_removed", "scim_identity_removed", "user_deprovisioned_by_scim"), in_steps=True),
    Case(f"POST {SCIM_APP}/Groups", f"{A}/Groups", {"displayName": "Engineering", "externalId": UID}, ("scim_group_linked",),
         besides=("scim_group_linked",)),
    Case(f"PATCH {SCIM_APP}/Groups/{{identifier}}", f"{A}/Groups/{UID}", patch_op("add", path="members", value=[{"value": "ext-1"}]),
         ("member_created", "scim_group_members_added"), besides=("scim_group_members_added",), prepare=_linked),
    Case(f"PUT {SCIM_APP}/Groups/{{identifier}}", f"{A}/Groups/{UID}",
         {"schemas": ["x"], "displayName": "Engineering", "members": [{"value": "ext-1"}]},
         ("member_created", "scim_group_members_added"), besides=("scim_group_members_added",), prepare=_linked),
    Case(f"DELETE {SCIM_APP}/Groups/{{identifier}}", f"{A}/Groups/{UID}", None,
         ("member_removed", "scim_group_members_removed", "scim_group_unlinked"),
         besides=("scim_group_members_removed", "scim_group_unlinked"), prepare=_with_member),
    *[Case(f"{method} {prefix}/namespaces/{{namespace}}/storage/limit_exclusion", f"{prefix}/namespaces/acme/storage/limit_exclusion", body,
           (f"storage_limit_exclusion_{verb}",), "token", prepare=prepare)
      for prefix in ("/api/v4", "/v4")
      for method, body, verb, prepare in (("POST", {"reason": "because"}, "created", None), ("DELETE", None, "removed", _excluded))],
    Case(f"POST {INTERNAL}/personal_access_token", f"{INTERNAL}/personal_access_token",
         {"user_id": "{ann}", "name": "new", "scopes": ["api"]}, ("personal_access_token_created",), "service"),
    Case(f"POST {INTERNAL}/two_factor_recovery_codes", f"{INTERNAL}/two_factor_recovery_codes", {"user_id": "{ann}"},
         ("recovery_codes_generated",), "service", besides=("recovery_codes_generated",)),
    Case(f"POST {INTERNAL}/allowed", f"{INTERNAL}/allowed",
         {"user_id": "{ann}", "project": "ann/brand-new", "action": "git-receive-pack", "protocol": "ssh", "changes": "_any"},
         ("project_created",), "service"),
    Case(f"POST {INTERNAL}/kubernetes/agent_configuration", f"{INTERNAL}/kubernetes/agent_configuration",
         {"agent_id": "{agent}", "agent_config": {"ci_access": {"projects": [{"id": "acme/rockets"}]}}},
         ("agent_configured",), "service", besides=("agent_configured",)),
    Case(f"POST {INTERNAL}/two_factor_manual_otp_check", f"{INTERNAL}/two_factor_manual_otp_check",
         {"user_id": "{ann}", "otp_attempt": "000000"}, ("authentication_failed",), "service", besides=("authentication_failed",)),
    Case(f"POST {INTERNAL}/shellhorse/git_audit_event", f"{INTERNAL}/shellhorse/git_audit_event",
         {"action": "git-upload-pack", "protocol": "ssh", "gl_repository": "project-{project}", "username": "ann", "changes": "_any"},
         ("repository_git_operation",), "service", besides=("repository_git_operation",)),
]  # fmt: skip
SEARCHES = {
    f"{method} {scope}/Users/.search" for method in ("POST", "PUT", "PATCH", "DELETE") for scope in (SCIM_APP, SCIM_GROUP)
} | {f"POST {scope}/.search" for scope in (SCIM_APP, SCIM_GROUP)} | {f"POST {SCIM_APP}/Groups/.search"}  # fmt: skip
NO_CONFIGURATION = {
    **dict.fromkeys(SEARCHES, "a question, or refused with 405"),
    f"POST {INTERNAL}/error_tracking/allowed": "a question",
    f"POST {INTERNAL}/kubernetes/agent_events": "counters",
    f"POST {INTERNAL}/kubernetes/usage_metrics": "counters",
    f"POST {INTERNAL}/kubernetes/authorize_proxy_user": "a question",
    f"PUT {INTERNAL}/kubernetes/modules/starboard_vulnerability": "what agents found",
    f"POST {INTERNAL}/kubernetes/modules/starboard_vulnerability/scan_result": "what agents found",
    f"POST {INTERNAL}/lfs_authenticate": "a token that is not kept",
    f"POST {INTERNAL}/lfs_token/verify": "a question",
    f"POST {INTERNAL}/pre_receive": "a counter",
    f"POST {INTERNAL}/post_receive": "a push, which has its push event; what a first push makes of a project is told, below",
    f"POST {INTERNAL}/two_factor_config": "a question",
    f"POST {INTERNAL}/two_factor_push_otp_check": "not available",
}


def test_every_operation_that_writes_is_held_against_the_log() -> None:
    writing = {
        f"{method.upper()} {path}"
        for path, methods in schema()["paths"].items()
        for method in methods
        if method in {"post", "put", "patch", "delete"}
    }
    assert writing == {case.operation for case in CASES} | set(NO_CONFIGURATION)


@dataclass
class World:
    """Who and what the requests are about."""

    ann: User
    agent: Agent
    project: Project
    headers: dict[str, str]

    def send(self, case: Case) -> Any:
        """Make the request with every credential that there is."""
        method, path = case.operation.partition(" ")[0], case.path
        if path.startswith("/api/scim"):
            scope = "instance" if path.startswith(A) else "group"
            headers = {"authorization": f"Bearer {SCIM_TOKENS[scope]}"}
        else:
            headers = self.headers
        client = Client(headers=headers)
        content_type = "application/scim+json" if "scim" in path else "application/json"
        return getattr(client, method.lower())(path, self._filled(case.body), content_type=content_type, **FROM)

    def _filled(self, body: Any) -> Any:
        known = {"{ann}": self.ann.pk, "{agent}": self.agent.pk}
        if not isinstance(body, dict):
            return ""
        filled = {name: known.get(value, value) if isinstance(value, str) else value for name, value in body.items()}
        if "gl_repository" in filled:
            filled["gl_repository"] = f"project-{self.project.pk}"
        return filled


@pytest.fixture
def world(
    production: Agent,  # noqa: F811  the fixture
    kas: Client,
    shell: Client,
    ann: User,
    rockets: Project,
    acme: Namespace,
    tmp_path: Path,
) -> Iterator[World]:
    """A group with single sign-on, somebody whom both scopes know, a linked group, an agent, an administrator with a token."""
    User.objects.filter(pk=ann.pk).update(admin=True, otp_secret=pyotp.random_base32())
    InstanceSettings(log_git_audit_events=True).save()
    group = GroupFactory.create(path="test_group")
    SamlProvider.objects.create(group=group, default_role=30)
    foo = UserFactory.create(username="foo")
    set_member(group, foo, 30)
    for scope, place in (("instance", None), ("group", group)):
        rotate_token(place, token=SCIM_TOKENS[scope])
        identity(scope_of(place), foo, "ext-1")
    SamlGroupLink.objects.create(group=GroupFactory.create(path="engineers"), name="Engineering", access_level=30)
    SSHKeyFactory.create(user=ann)
    _, personal = create_token(user=ann, name="ci", scopes=["api"], expires_at=None)
    headers = {"private-token": personal}
    for caller in (shell, kas):
        headers |= {name.removeprefix("HTTP_").replace("_", "-"): str(value) for name, value in caller.defaults.items()}
    with running(tmp_path / "storages", token="the gitaly token") as server:
        Storage.objects.update(gitaly_address=server.address, gitaly_token="the gitaly token")
        yield World(User.objects.get(pk=ann.pk), production, rockets, headers)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.operation.replace("/", "_"))
def test_what_a_caller_changes_is_told(world: World, case: Case) -> None:
    if case.prepare:
        case.prepare()
    with held_against_the_rows(besides=case.besides, in_steps=case.in_steps, by_operator=case.kind == "token") as told:
        answer = world.send(case)
    assert answer.status_code < 300, answer.content
    assert sorted(told.actions) == sorted(case.actions)
    for event in told.events:
        assert event.actor_kind == case.kind
        assert event.operation == f"{case.operation.partition(' ')[0]} {case.path}"
        assert event.correlation_id == answer["X-Request-Id"]
        if event.action != "repository_git_operation":  # whose address is the person's, as GitLab Shell tells it
            assert event.ip_address == "198.51.100.7"
        _author_is_told(world, case, event)


def _author_is_told(world: World, case: Case, event: AuditEvent) -> None:
    if case.kind == "scim":
        scope = Scope.objects.get(group__path="test_group") if case.path.startswith(G) else Scope.objects.get(group=None)
        assert event.author_name == "(System)"
        assert event.credential == f"SCIM token {SCIMToken.objects.get(scope=scope).pk} of {scope}"
    elif case.kind == "token":
        assert (event.author_id, event.author_name) == (world.ann.pk, "ann")
        assert event.credential.startswith("personal access token ")
    elif "kubernetes" in case.path:
        assert event.credential == "secret of gitlab-kas"
    else:
        assert event.credential == "secret of gitlab-shell"
        assert event.author_name in {"ann", f"user-{world.ann.pk}", ""}


@pytest.mark.parametrize(
    ("case", "status"),
    [
        (Case(f"POST {SCIM_APP}/Users", f"{A}/Users", {**P, "externalId": None}, ()), 412),
        (Case(f"PATCH {SCIM_GROUP}/Users/x", f"{G}/Users/nobody", OFF, ()), 404),
        (Case(f"POST {SCIM_APP}/Users", f"{A}/Users", {**P, "externalId": "ext-1"}, ()), 201),
        (Case("POST /api/v4", "/api/v4/namespaces/acme/storage/limit_exclusion", {"reason": ""}, ()), 400),
        (Case("DELETE /api/v4", "/api/v4/namespaces/acme/storage/limit_exclusion", None, ()), 400),
        (Case("POST shell", f"{INTERNAL}/personal_access_token", {"user_id": "{ann}", "name": "x", "scopes": ["all"]}, ()), 200),
    ],
    ids=lambda value: getattr(value, "path", "").replace("/", "_"),
)
def test_what_is_refused_or_changes_nothing_leaves_no_event(world: World, case: Case, status: int) -> None:
    with held_against_the_rows() as told:
        answer = world.send(case)
    assert answer.status_code == status, answer.content
    assert told.events == []


def test_the_last_owner_whom_scim_would_remove_leaves_no_event(world: World) -> None:
    """The identity was changed already when the last owner is noticed: all of it is rolled back, its events too."""
    Member.objects.filter(namespace__path="test_group").update(access_level=50)
    with held_against_the_rows() as told:
        answer = world.send(Case("DELETE x", f"{G}/Users/ext-1", None, ()))
    assert answer.status_code == 412
    assert told.events == []


def test_the_same_configuration_of_an_agent_is_told_once(world: World) -> None:
    case = next(case for case in CASES if "agent_configuration" in case.path)
    with held_against_the_rows(besides=("agent_configured",)) as told:
        for _ in range(3):
            assert world.send(case).status_code == 204
    (event,) = told.events
    assert event.changes["authorizations"] == {"before": {}, "after": {"ci_access": {f"project {world.project.pk}": {}}}}


def test_a_first_push_tells_of_the_rule_that_it_makes(world: World) -> None:
    """What a push reports is no event, but for what it makes of the project's settings."""
    Project.objects.filter(pk=world.project.pk).update(empty=True)
    report = {"gl_repository": f"project-{world.project.pk}", "identifier": f"user-{world.ann.pk}"}
    first = {**report, "changes": f"{'0' * 40} {'1' * 40} refs/heads/main"}
    with held_against_the_rows(by_operator=False) as told:
        assert world.send(Case("POST x", f"{INTERNAL}/post_receive", first, ())).status_code == 200
    assert sorted(told.actions) == ["protected_branch_created", *["protected_ref_grant_created"] * 2]
    assert {event.actor_kind for event in told.events} == {"service"}
    later = {**report, "changes": f"{'1' * 40} {'2' * 40} refs/heads/main"}
    with held_against_the_rows() as nothing:
        assert world.send(Case("POST x", f"{INTERNAL}/post_receive", later, ())).status_code == 200
    assert nothing.events == []
