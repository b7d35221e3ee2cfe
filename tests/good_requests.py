"""A request for each operation of the API that is answered with a 2xx: ids that exist, credentials that are right.

What fuzzes the service starts from these, so that it reaches the code behind the look-ups.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyotp
from django.conf import settings
from django.test import Client

from accounts.models import User
from accounts.services.personal_access_tokens import create_token
from internal_api.models import InstanceSettings
from kubernetes_agent.models import Agent, AgentAuthorization, ReceptiveConfiguration, SecurityPolicy
from repositories.lfs.local_storage import LocalStorage
from repositories.models import ErrorTrackingKey, LFSObject, LFSObjectLink, Project
from repositories.services.access import set_member
from repositories.services.certificates import add_certificate_authority, set_enterprise_group
from scim.models import SamlGroupLink, SamlProvider
from scim.services.tokens import rotate_token, scope_of
from storage_limits.services.exclusions import exclude
from tests import public_keys
from tests.factories import GroupFactory, SSHKeyFactory, UserFactory
from tests.insider import insider_client
from tests.scim.conftest import identity

GROUP_UID = "11111111-2222-3333-4444-555555555555"
OTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
TRACKING_KEY = "glet_0123456789abcdef0123456789abcdef"
POLICY = (
    "actions:\n- {scan: container_scanning}\nrules:\n- type: schedule\n  cadence: '0 1 * * *'\n"
    "  agents:\n    insider:\n      namespaces: [production]\n"
)
USERS = ("e1", ".search")
"""External ids of two people, in each scope; the second is what an address of SCIM's is called."""


@dataclass(frozen=True, slots=True)
class Good:
    """The parts of a request: path parameters, query, body."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class World:
    """What is there, and who asks."""

    insider: Client
    provider: Client
    values: Mapping[str, Any]

    def client_for(self, path: str) -> Client:
        """The caller: of a group's SCIM its own identity provider."""
        return self.provider if "/scim/v2/groups/" in path else self.insider


def build_world() -> World:
    """Ann maintains a project with an agent; an identity provider of the instance and one of a group know Eve."""
    insider = insider_client()
    agent = Agent.objects.get()
    assert agent.created_by is not None
    project = agent.project
    ann = UserFactory.create(username="ann", otp_secret=OTP_SECRET)
    key = SSHKeyFactory.create(user=ann)
    set_member(project, ann, 40)
    set_member(project, agent.created_by, 40)
    _configure(agent)
    authority = _company(ann)
    InstanceSettings(log_git_audit_events=True, require_personal_access_token_expiry=False).save()
    ErrorTrackingKey.objects.create(project=project, public_key=TRACKING_KEY)
    token = create_token(user=ann, name="clusters", scopes=["k8s_proxy"], expires_at=None)[1]
    asked = {"user_id": ann.pk, "project": project.route.path, "operation": "download"}
    lfs_token = insider.post("/api/v4/internal/lfs_authenticate", asked, content_type="application/json").json()["lfs_token"]
    oid = _large_file(project)
    excluded = GroupFactory.create(path="excluded")
    exclude(excluded, "a reason")
    values = {
        "ann": ann.pk, "key": key.pk, "project": project.pk, "path": project.route.path, "agent": agent.pk, "authority": authority,
        "token": token, "lfs_token": lfs_token, "oid": oid, "namespace": project.namespace_id, "excluded": excluded.pk,
        "public_key": public_keys.ED25519.split()[1],
    }  # fmt: skip
    return World(insider, _group_provider(), values)


def _large_file(project: Project) -> str:
    """An LFS object of the project's."""
    content = b"a large picture"
    oid = hashlib.sha256(content).hexdigest()
    path = LocalStorage(settings.LFS_STORAGE_PATH).path(oid)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    LFSObjectLink.objects.create(project=project, lfs_object=LFSObject.objects.create(oid=oid, size=len(content)))
    return oid


def _configure(agent: Agent) -> None:
    access: dict[str, Any] = {"access_as": {"agent": {}}}
    AgentAuthorization.objects.create(agent=agent, kind="user_access", project=agent.project, config=access)
    ReceptiveConfiguration.objects.create(agent=agent, url="grpcs://agent.example.com:443", private_key="a2V5")
    SecurityPolicy.objects.create(project=agent.project, name="scan", description="", yaml=POLICY)


def _company(ann: User) -> str:
    """A group with a certificate authority, of which Ann is an enterprise user."""
    company = GroupFactory.create(path="company")
    set_member(company, ann, 30)
    set_enterprise_group(ann, company)
    return add_certificate_authority(company, key=public_keys.CI_KEY, title="CA")[0].fingerprint


def _group_provider() -> Client:
    group = GroupFactory.create(path="insiders")
    SamlProvider.objects.create(group=group, default_role=30)
    SamlGroupLink.objects.create(group=group, name="Engineering", access_level=30, scim_group_uid=GROUP_UID)
    SamlGroupLink.objects.create(group=group, name="Design", access_level=30)
    for number, uid in enumerate(USERS):
        eve = UserFactory.create(username=f"eve{number}")
        set_member(group, eve, 30)
        for scope in (scope_of(group), scope_of(None)):
            identity(scope, eve, uid)
    return Client(headers={"authorization": f"Bearer {rotate_token(group)[1]}"})


_NEW_USER = {
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
    "externalId": "n1",
    "userName": "new",
    "emails": [{"value": "new@example.com", "type": "work", "primary": True}],
    "name": {"formatted": "New User", "givenName": "New", "familyName": "User"},
    "active": True,
}
_PATCH_OP = ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]
_PATCH = {
    "schemas": _PATCH_OP,
    "Operations": [{"op": "replace", "path": "active", "value": False}, {"op": "Replace", "value": {"id": "e9"}}],
}
_GROUP_PATCH = {"schemas": _PATCH_OP, "Operations": [{"op": "add", "path": "members", "value": [{"value": "e1"}]}]}
_SEARCH = {"filter": 'userName eq "eve0"', "startIndex": 1, "count": 10, "attributes": ["userName"]}
_SHOWN = {"attributes": "userName,emails.value", "excludedAttributes": "name"}
_CONTEXT = "eyJza2lwLWNpIjogdHJ1ZX0="
ZEROS = "0" * 40


def _scim(base: str, found: dict[str, str]) -> dict[tuple[str, str], Good]:
    """What both scopes have."""
    one = {
        "get": Good(found, _SHOWN),
        "put": Good(found, body=_NEW_USER),
        "patch": Good(found, body=_PATCH),
        "delete": Good(found),
    }
    return {
        (f"{base}/.search", "post"): Good(found, body=_SEARCH),
        (f"{base}/Users/.search", "post"): Good(found, body=_SEARCH),
        **{(f"{base}/Users/.search", method): good for method, good in one.items()},
        **{(f"{base}/Users/{{identifier}}", method): good for method, good in one.items()},
        (f"{base}/Users", "get"): Good(found, {"filter": 'userName eq "eve0" and id eq "e1"', "startIndex": "1", "count": "5", **_SHOWN}),
        (f"{base}/Users", "post"): Good(found, body=_NEW_USER),
        (f"{base}/ResourceTypes", "get"): Good(found),
        (f"{base}/ResourceTypes/{{identifier}}", "get"): Good({**found, "identifier": "User"}),
        (f"{base}/Schemas", "get"): Good(found),
        (f"{base}/Schemas/{{identifier}}", "get"): Good({**found, "identifier": "urn:ietf:params:scim:schemas:core:2.0:User"}),
        (f"{base}/ServiceProviderConfig", "get"): Good(found),
    }


def _groups(base: str) -> dict[tuple[str, str], Good]:
    group = {"identifier": GROUP_UID}
    replaced = {"schemas": ["x"], "displayName": "Engineering", "members": [{"value": "e1"}]}
    return {
        (f"{base}/Groups", "get"): Good({}, {"filter": 'displayName eq "Engineering"', "startIndex": "1", "count": "5"}),
        (f"{base}/Groups", "post"): Good(body={"displayName": "Design", "externalId": "99999999-2222-3333-4444-555555555555"}),
        (f"{base}/Groups/.search", "post"): Good(body={**_SEARCH, "filter": 'displayName eq "Engineering"'}),
        (f"{base}/Groups/{{identifier}}", "get"): Good(group, {"excludedAttributes": "members"}),
        (f"{base}/Groups/{{identifier}}", "put"): Good(group, body=replaced),
        (f"{base}/Groups/{{identifier}}", "patch"): Good(group, body=_GROUP_PATCH),
        (f"{base}/Groups/{{identifier}}", "delete"): Good(group),
    }


def _shell(v: Mapping[str, Any]) -> dict[tuple[str, str], Good]:
    who, container = {"key_id": str(v["key"])}, {"gl_repository": f"project-{v['project']}", "project": v["path"]}
    context = {"gitaly_client_context_bin": _CONTEXT}
    changes = f"{ZEROS} {'a' * 40} refs/heads/main\n{ZEROS} {'b' * 40} refs/tags/v1"
    env = '{"GIT_OBJECT_DIRECTORY_RELATIVE":"objects","GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE":["objects"]}'
    pushed = {**who, **container, **context, "identifier": f"user-{v['ann']}", "changes": changes}
    asked = {"action": "git-receive-pack", "protocol": "ssh", "check_ip": "10.0.0.1", "env": env, "relative_path": "a.git"}
    audited = {"action": "git-upload-pack", "protocol": "ssh", "username": "ann", "check_ip": "10.0.0.1", "written_bytes": 1}
    stats = {"packfile_stats": {"wants": 1, "haves": 2}}
    otp = pyotp.TOTP(OTP_SECRET).now()
    person = {"name": "t", "scopes": ["api", "read_user"], "expires_at": "2030-01-31"}
    tracked = {"project_id": v["project"], "public_key": TRACKING_KEY}
    verified = {"username": "ann", "token": v["lfs_token"], "check_ip": "10.0.0.1"}
    posts: dict[str, dict[str, Any]] = {
        "allowed": {**pushed, **asked},
        "lfs_authenticate": {**who, **container, **context, "operation": "upload"},
        "lfs_token/verify": {**container, **verified},
        "personal_access_token": {**who, **person},
        "post_receive": {**pushed, "push_options": ["ci.skip", "merge_request.create"]},
        "pre_receive": {**container, **context},
        "shellhorse/git_audit_event": {**who, **audited, "gl_repository": container["gl_repository"], "changes": "_any", **stats},
        "two_factor_config": who,
        "two_factor_manual_otp_check": {**who, "otp_attempt": otp},
        "two_factor_push_otp_check": who,
        "two_factor_recovery_codes": who,
        "error_tracking/allowed": tracked,
    }
    base = "/api/v4/internal"
    certificate = {"key": v["authority"], "user_identifier": "ann"}
    return {
        **{(f"{base}/{path}", "post"): Good(body=body) for path, body in posts.items()},
        (f"{base}/authorized_certs", "get"): Good({}, certificate),
        (f"{base}/authorized_keys", "get"): Good({}, {"key": v["public_key"]}),
        (f"{base}/discover", "get"): Good({}, who),
        (f"{base}/check", "get"): Good(),
        ("/api/v4/geo/proxy", "get"): Good(),
        (f"{base}/lfs", "get"): Good({}, {"oid": v["oid"], "gl_repository": container["gl_repository"]}),
    }


def _finding(v: Mapping[str, Any]) -> dict[str, Any]:
    resource = {"namespace": "production", "kind": "deployment", "name": "nginx", "container_name": "x", "agent_id": str(v["agent"])}
    return {
        "vulnerability": {
            "name": "CVE-123-4567",
            "severity": "High",
            "confidence": "Unknown",
            "message": "x",
            "solution": "y",
            "location": {"image": "nginx:1", "dependency": {"package": {"name": "libc"}, "version": "1"}, "kubernetes_resource": resource},
            "identifiers": [{"type": "cve", "name": "CVE-123-4567", "value": "CVE-123-4567", "url": "https://example.com"}],
            "links": [{"url": "https://example.com"}],
        },
        "scanner": {"id": "trivy", "name": "Trivy", "vendor": {"name": "GitLab"}, "version": "1"},
    }


def _kas(v: Mapping[str, Any]) -> dict[tuple[str, str], Good]:
    kas, internal = "/api/v4/internal/kubernetes", "/api/v4/internal"
    module = f"{kas}/modules/starboard_vulnerability"
    access = {"ci_access": {"projects": [{"id": v["path"]}]}, "user_access": {"access_as": {"agent": {}}, "projects": [{"id": v["path"]}]}}
    use = {"user_id": v["ann"], "project_id": v["project"]}
    registered = {"project_id": v["project"], "agent_id": v["agent"], "agent_version": "v18", "architecture": "amd64"}
    events = {"k8s_api_proxy_requests_unique_users_via_ci_access": [use], "register_agent_at_kas": [registered]}
    counters = {"k8s_api_proxy_request": 3}
    unique = {"k8s_api_proxy_requests_unique_users_via_ci_access": [v["ann"]], "flux_git_push_notified_unique_projects": [v["project"]]}
    opened = {"agent_id": v["agent"], "access_type": "personal_access_token", "access_key": v["token"]}
    asked = {"id": v["path"]}
    return {
        (f"{internal}/agents/agentk/agent_info", "get"): Good(),
        (f"{kas}/agent_info", "get"): Good(),
        (f"{kas}/agent_configuration", "post"): Good(body={"agent_id": v["agent"], "agent_config": access}),
        (f"{kas}/agent_events", "post"): Good(body={"events": events}),
        (f"{kas}/authorize_proxy_user", "post"): Good(body=opened),
        (module, "put"): Good(body=_finding(v)),
        (f"{module}/policies_configuration", "get"): Good(),
        (f"{module}/scan_execution_policies", "get"): Good(),
        (f"{module}/scan_result", "post"): Good(body={"uuids": ["22222222-2222-3333-4444-555555555555"]}),
        (f"{kas}/project_info", "get"): Good({}, asked),
        (f"{kas}/verify_project_access", "get"): Good({}, asked),
        (f"{kas}/receptive_agents", "get"): Good(),
        (f"{kas}/usage_metrics", "post"): Good(body={"counters": counters, "unique_counters": unique}),
    }


def _rest(v: Mapping[str, Any]) -> dict[tuple[str, str], Good]:
    return {
        (f"{base}/{path}", method): good
        for base in ("/v4/namespaces", "/api/v4/namespaces")
        for path, method, good in (
            ("storage/limit_exclusions", "get", Good({}, {"page": "1", "per_page": "5"})),
            ("{namespace}/storage/limit_exclusion", "post", Good({"namespace": str(v["namespace"])}, body={"reason": "a reason"})),
            ("{namespace}/storage/limit_exclusion", "delete", Good({"namespace": str(v["excluded"])})),
        )
    }


def good_requests(values: Mapping[str, Any]) -> dict[tuple[str, str], Good]:
    """By path and method, as docs/openapi.yaml has them."""
    health = {(path, "get"): Good() for path in ("/livez", "/readyz", "/-/liveness", "/-/readiness")}
    found = {"identifier": "e1"}
    return {
        **health,
        **_shell(values),
        **_kas(values),
        **_rest(values),
        **_groups("/api/scim/v2/application"),
        **_scim("/api/scim/v2/application", found),
        **_scim("/api/scim/v2/groups/{group_path}", {**found, "group_path": "insiders"}),
    }
