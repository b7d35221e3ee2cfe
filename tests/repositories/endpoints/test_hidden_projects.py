"""POST /allowed for a project that the actor may not know of: status, body and headers of a missing one (contract: decisions 10a)."""

import itertools
from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from repositories.models import Namespace, Project
from repositories.services.access import grant_deploy_key, set_member
from repositories.services.projects import add_redirect
from tests.factories import DeployKeyFactory, GroupFactory, ProjectFactory, UserFactory

GROUPS: dict[str, dict[str, Any]] = {
    "plain": {},
    "public": {"visibility": "public"},
    "one-protocol": {"enabled_git_access_protocol": "http"},
    "certificates": {"enforce_ssh_certificates": True},
    "addresses": {"ip_allowlist": ["10.0.0.0/8"]},
    "archived": {"archived": True},
}
ACTIONS = ["git-upload-pack", "git-receive-pack", "git-upload-archive", "unknown"]
CHANGES = ["_any", f"{'0' * 40} {'1' * 40} refs/heads/topic"]
NAMES = ["{}", "{}.git", "{}.wiki", "{}.wiki.git", "{}.design", "/{}.git/"]
IDS = ["project-{}", "wiki-{}", "project-{}-wiki", "design-{}"]
MISSING = 999_999


@pytest.fixture(params=GROUPS)
def hidden(request: pytest.FixtureRequest, db: None) -> Project:
    """A private project of a group, `hidden` beside nothing called `missing`; `old` and `gone` are former paths of the same kind."""
    group = GroupFactory.create(path="fort")
    Namespace.objects.filter(pk=group.pk).update(**GROUPS[request.param])
    project = ProjectFactory.create(path="hidden", namespace=group)
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
    return {"user_id": user.pk}


def answered(caller: Client, values: dict[str, Any]) -> tuple[int, bytes, dict[str, str]]:
    response = caller.post("/api/v4/internal/allowed", values, content_type="application/json", headers={"x-request-id": "one"})
    return response.status_code, response.content, dict(response.headers)


@pytest.mark.parametrize(
    "kind",
    [
        "nobody",
        "outsider",
        "external user",
        "certificate session of wiley",
        "certificate session of fort",
        "deploy key of another project",
    ],
)
def test_hidden_is_missing_to_the_letter(shell: Client, hidden: Project, kind: str) -> None:
    actor = actor_of(kind)
    pairs = [
        ({"project": name.format(f"fort/{prefix}hidden")}, {"project": name.format(f"fort/{prefix}missing")})
        for name in NAMES
        for prefix in ("", "old-", "called-")
    ]
    pairs += [({"gl_repository": name.format(hidden.pk)}, {"gl_repository": name.format(MISSING)}) for name in IDS]
    for (real, nothing), action, changes in itertools.product(pairs, ACTIONS, CHANGES):
        for protocol, address in (("ssh", None), ("http", "11.1.1.1"), ("web", "10.1.1.1")):
            common = {**actor, "action": action, "changes": changes, "protocol": protocol, "check_ip": address}
            found = answered(shell, {**common, **real})
            assert found == answered(shell, {**common, **nothing}), (common, real)
            assert found[0] in (401, 404)
