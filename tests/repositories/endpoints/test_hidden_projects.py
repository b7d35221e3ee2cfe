"""A project that the actor may not know of: status, body and headers of a missing one (contract: decisions 10a).

Every endpoint that takes a project or a path is here, but those that tell nobody anything by it:

* `error_tracking/allowed` has no actor; by contract (shell-endpoints 12) its caller is told which projects exist.
* `post_receive` is told of a push that has happened, so its actor has passed /allowed; it is never refused.
* `authorized_keys`, `discover`, two-factor, tokens and `git_audit_event` are about actors.
* `authorized_certs` is about authorities, whose fingerprint only the holder of a certificate knows.
"""

import itertools
import json
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from internal_api.service_secrets import service_secrets
from internal_api.service_tokens import KAS
from kubernetes_agent.services.tokens import create_agent_token
from repositories.models import Namespace, Project, RedirectRoute
from repositories.services.access import grant_deploy_key, set_member
from repositories.services.projects import add_redirect
from tests.factories import AgentFactory, DeployKeyFactory, GroupFactory, ProjectFactory, SSHKeyFactory, UserFactory
from tests.passes import POSTGRESQL

GROUPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "public": {"visibility": "public"},
    "one-protocol": {"enabled_git_access_protocol": "http"},
    "certificates": {"enforce_ssh_certificates": True},
    "addresses": {"ip_allowlist": ["10.0.0.0/8"]},
    "archived": {"archived": True},
    "over its limit": {"storage_limit": 1, "over_storage_limit": True},
}
PROJECTS: dict[str, dict[str, Any]] = {
    "archived project": {"archived": True},
    "read-only project": {"read_only": True},
    "without repository": {"repository_exists": False},
    "without wiki repository": {"wiki_exists": False},
    "empty": {"empty": True},
    "wiki disabled": {"wiki_access_level": "disabled"},
    "repository disabled": {"repository_access_level": "disabled"},
    "without LFS": {"lfs_enabled": False},
}
CHANGES = f"{'0' * 40} {'1' * 40} refs/heads/topic"
PROTOCOLS = (("ssh", None), ("http", "11.1.1.1"), ("web", "10.1.1.1"))
QUESTIONS = [
    *itertools.product(("git-upload-pack", "git-receive-pack"), ("_any",), PROTOCOLS),
    *itertools.product(("git-receive-pack",), (CHANGES,), PROTOCOLS),
    ("git-upload-archive", "_any", PROTOCOLS[0]),
    ("unknown", "_any", PROTOCOLS[0]),
]
"""Action, changes, and the protocol with the client's address."""
NAMES = ["{}", "{}.git", "{}.wiki", "{}.wiki.git", "{}.design", "/{}.git/"]
IDS = ["project-{}", "wiki-{}", "project-{}-wiki", "design-{}"]
MISSING = 999_999
AGENT_TOKEN = "glagent-the-token-of-the-agent-of-the-tests-long-enough"  # no token that anything made


@pytest.fixture(params=[*GROUPS, *PROJECTS])
def hidden(request: pytest.FixtureRequest, db: None) -> Project:
    """A private project of a group, `hidden` beside nothing called `missing`; `old` and `gone` are former paths of the same kind."""
    group = GroupFactory.create(path="fort")
    Namespace.objects.filter(pk=group.pk).update(**GROUPS.get(request.param, {"path": "fort"}))
    project = ProjectFactory.create(path="hidden", namespace=group)
    Project.objects.filter(pk=project.pk).update(**PROJECTS.get(request.param, {"path": "hidden"}))
    if request.param in GROUPS:
        add_redirect(project, "fort/old-hidden")
        for suffix in ("wiki", "design"):
            ProjectFactory.create(path=f"called-hidden.{suffix}", namespace=group)
    return project


def actor_of(kind: str) -> dict[str, Any]:
    """An actor who may not know of the project, as parameters."""
    if kind == "nobody":
        return {}
    if kind == "deploy key of another project":
        key = DeployKeyFactory.create()
        grant_deploy_key(ProjectFactory.create(path="other", namespace=GroupFactory.create(path="wiley")), key, can_push=True)
        return {"key_id": key.pk}
    user: User = UserFactory.create(username="eve", external=kind == "external user")
    if kind.startswith("certificate session"):
        set_member(GroupFactory.create(path="wiley"), user, 50)
        return {"username": "eve", "namespace_path": "fort" if kind.endswith("fort") else "wiley"}
    by = {"username": {"username": "Eve"}, "identifier": {"identifier": f"user-{user.pk}"}}
    if kind == "outsider by key":
        return {"key_id": SSHKeyFactory.create(user=user).pk}
    return by.get(kind.rpartition(" ")[2], {"user_id": user.pk})


def answered(caller: Client, values: dict[str, Any], endpoint: str = "allowed") -> tuple[int, bytes, dict[str, str]]:
    url = f"/api/v4/internal/{endpoint}"
    response = caller.post(url, values, content_type="application/json", headers={"x-request-id": "one"})
    return response.status_code, response.content, dict(response.headers)


def pairs_of(hidden: Project) -> list[tuple[dict[str, str], dict[str, str]]]:
    """Each way of naming the hidden project, and the same way of naming nothing; fewer where only the project differs."""
    is_plain = not RedirectRoute.objects.filter(project=hidden).exists()
    paths = [f"fort/{prefix}hidden" for prefix in (("",) if is_plain else ("", "old-", "called-"))]
    names = NAMES[::2] if is_plain else NAMES
    return [
        *(({"project": name.format(path)}, {"project": name.format("fort/missing")}) for name in names for path in paths),
        *(({"gl_repository": name.format(hidden.pk)}, {"gl_repository": name.format(MISSING)}) for name in IDS),
    ]


class Missing:
    """What is answered to those who name nothing: each request is sent once."""

    def __init__(self, caller: Client) -> None:
        self.caller = caller
        self.told: dict[str, tuple[int, bytes, dict[str, str]]] = {}

    def answered(self, values: dict[str, Any], endpoint: str = "allowed") -> tuple[int, bytes, dict[str, str]]:
        request = json.dumps([endpoint, values])
        if request not in self.told:
            self.told[request] = answered(self.caller, values, endpoint)
        return self.told[request]


ACTORS = (
    "nobody",
    "outsider",
    "outsider by username",
    "outsider by identifier",
    "outsider by key",
    "external user",
    "certificate session of wiley",
    "certificate session of fort",
    "deploy key of another project",
)
CASES = [
    *itertools.product(GROUPS, ACTORS),
    *itertools.product(PROJECTS, ("nobody", "outsider", "deploy key of another project")),
]


@pytest.mark.parametrize(("hidden", "kind"), CASES, indirect=["hidden"])
def test_hidden_is_missing_to_the_letter(shell: Client, hidden: Project, kind: str) -> None:
    """Every question about every name: half of them on SQLite and the others on PostgreSQL, like the squares of a chessboard."""
    actor, missing = actor_of(kind), Missing(shell)
    for (name, pair), (number, question) in itertools.product(enumerate(pairs_of(hidden)), enumerate(QUESTIONS)):
        if (name + number) % 2 == POSTGRESQL:
            continue
        real, nothing = pair
        action, changes, (protocol, address) = question
        common = {**actor, "action": action, "changes": changes, "protocol": protocol, "check_ip": address}
        found = answered(shell, {**common, **real})
        assert found == missing.answered({**common, **nothing}), (common, real)
        assert found[0] in (401, 404)


@pytest.mark.enumeration
@pytest.mark.parametrize(("hidden", "kind"), CASES, indirect=["hidden"])
def test_lfs_credentials_and_counters_tell_nothing_of_hidden_projects(shell: Client, hidden: Project, kind: str) -> None:
    actor, missing = actor_of(kind), Missing(shell)
    elsewhere = lfs_pair(shell, actor)
    for real, nothing in pairs_of(hidden):
        for operation in ("download", "upload"):
            asked = {**actor, "operation": operation}
            found = answered(shell, {**asked, **real}, "lfs_authenticate")
            assert found == missing.answered({**asked, **nothing}, "lfs_authenticate"), real
            assert found[:2] == (404, b'{"message":"404 Not Found"}')
        for pair in (elsewhere, {**elsewhere, "username": "owner"}, {**elsewhere, "token": "no token"}):
            found = answered(shell, {**pair, **real}, "lfs_token/verify")
            assert found == missing.answered({**pair, **nothing}, "lfs_token/verify"), real
            assert found[:2] == (200, b'{"valid":false}')
    for name in IDS:
        counted = [answered(shell, {"gl_repository": name.format(number)}, "pre_receive") for number in (hidden.pk, MISSING)]
        assert counted[0] == counted[1]


def lfs_pair(shell: Client, actor: dict[str, Any]) -> dict[str, str]:
    """A name and token of the actor's for a public project; of somebody who is not known, a pair that is made up."""
    public = ProjectFactory.create(path="public", namespace=GroupFactory.create(path="open", visibility="public"), visibility="public")
    status, content, _ = answered(shell, {**actor, "gl_repository": f"project-{public.pk}"}, "lfs_authenticate")
    if status != 200:
        return {"username": "eve", "token": "made.up.token"}
    given = json.loads(content)
    return {"username": given["username"], "token": given["lfs_token"]}


@pytest.mark.enumeration
def test_an_agent_is_told_nothing_of_hidden_projects(hidden: Project) -> None:
    """kubernetes-agent 2.2."""
    agent = AgentFactory.create(project=ProjectFactory.create(path="own", namespace=GroupFactory.create(path="agents")))
    create_agent_token(agent=agent, name="first", token=AGENT_TOKEN)
    kas = Client(
        headers={"gitlab-kas-api-request": KAS.issue(service_secrets(KAS)[0], lifetime=3600), "gitlab-agent-api-request": AGENT_TOKEN}
    )

    def told(endpoint: str, name: str) -> tuple[int, bytes, dict[str, str]]:
        url = f"/api/v4/internal/kubernetes/{endpoint}"
        response = kas.get(url, {"id": name}, headers={"x-request-id": "one"})
        return response.status_code, response.content, dict(response.headers)

    named = [(f"fort/{prefix}hidden", f"fort/{prefix}missing") for prefix in ("", "old-", "called-")]
    pairs = [(name.format(real), name.format(nothing)) for name in NAMES for real, nothing in named]
    for endpoint, (real, nothing) in itertools.product(("project_info", "verify_project_access"), [*pairs, (str(hidden.pk), str(MISSING))]):
        found = told(endpoint, real)
        assert found == told(endpoint, nothing), (endpoint, real)
        assert found[0] == 404


@pytest.mark.parametrize("endpoint", ["allowed", "lfs_authenticate"])
def test_a_hidden_project_named_like_a_wiki_does_not_hide_the_wiki(shell: Client, endpoint: str, db: None) -> None:
    """The wiki of an open project answers as that of one beside which nothing is hidden (decisions 10a)."""
    group = GroupFactory.create(path="pub", visibility="public")
    projects = {path: ProjectFactory.create(namespace=group, path=path, visibility="public", wiki_exists=True) for path in ("y", "z")}
    hidden = ProjectFactory.create(namespace=group, path="y.wiki", visibility="private")
    insider, outsider = UserFactory.create(username="ida"), UserFactory.create(username="eve")
    set_member(hidden, insider, 40)

    def told(path: str, user: User, action: str) -> tuple[int, Any]:
        values = {"user_id": user.pk, "project": path, "action": action, "operation": "download", "changes": "_any", "protocol": "ssh"}
        answered = shell.post(f"/api/v4/internal/{endpoint}", values, content_type="application/json")
        return answered.status_code, answered.json()

    for action in ("git-upload-pack", "git-receive-pack"):
        (status, body), (expected, like) = told("pub/y.wiki", outsider, action), told("pub/z.wiki", outsider, action)
        assert (status, body.keys(), body.get("message")) == (expected, like.keys(), like.get("message"))
    status, body = told("pub/y.wiki", outsider, "git-upload-pack")
    assert status == 200
    if endpoint == "lfs_authenticate":
        credentials = {"username": body["username"], "token": body["lfs_token"], "project": "pub/y.wiki"}
        answered = shell.post("/api/v4/internal/lfs_token/verify", credentials, content_type="application/json")
        assert answered.json()["operations"] == ["download"]
    if endpoint == "allowed":
        assert body["gl_repository"] == f"wiki-{projects['y'].pk}"
        assert told("pub/y.wiki", insider, "git-upload-pack")[1]["gl_repository"] == f"project-{hidden.pk}"
