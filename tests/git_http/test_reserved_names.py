"""Names of namespaces beside the service's own routes: repositories are at the root (contract: git-http 2.10, allowed 3.5)."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import User
from repositories.errors import InvalidNamespaceError
from repositories.models import Namespace, Project
from repositories.policy.repository_path import RESERVED_TOP_LEVEL_NAMES
from repositories.services.access import set_member
from repositories.services.namespaces import create_group
from tests.factories import ProjectFactory, UserFactory
from tests.git_http.conftest import PULL, PUSH, Git, allowed, refused
from tests.git_http.lfs_api.conftest import LFS

NGINX = Path(__file__).parents[2] / "deploy" / "nginx.conf"
NAMESPACE_NOT_FOUND = "The namespace you were looking for could not be found."
OTHER_NAMES = frozenset({"internal", "scim", "static", "kubernetes", "info", "objects", "gitlab-lfs", "git-upload-pack", "health", "wikis"})
"""Names that stand elsewhere in routes."""
OF_WORKHORSE = frozenset({"api", "assets", "-"})
"""First segments of routes that GitLab Workhorse answers or treats itself (contract: git-http 1.1)."""


def first_segments(patterns: list[URLPattern | URLResolver], prefix: str = "") -> Iterator[str]:
    """The first segments of the service's routes; those of repositories begin with a path of any form."""
    for one in patterns:
        route = prefix + str(one.pattern)
        if isinstance(one, URLResolver) and "/" not in route:
            yield from first_segments(one.url_patterns, route)
        else:
            yield route.partition("/")[0]


OWN_NAMES = frozenset(name for name in first_segments(get_resolver().url_patterns) if name and "<" not in name)
NAMES = OWN_NAMES | OTHER_NAMES | OF_WORKHORSE
FREE_NAMES = sorted(NAMES - RESERVED_TOP_LEVEL_NAMES)


def test_the_names_of_our_routes_are_known() -> None:
    assert {"api", "v4", "livez", "readyz", "-", "docs", "metrics", "admin"} == OWN_NAMES


def test_what_workhorse_and_the_admin_site_answer_is_reserved() -> None:
    assert OF_WORKHORSE | {"admin"} <= RESERVED_TOP_LEVEL_NAMES


@pytest.mark.parametrize("name", sorted(RESERVED_TOP_LEVEL_NAMES))
def test_no_top_level_group_has_a_reserved_name(name: str, db: None) -> None:
    for written in (name, name.upper()):
        with pytest.raises(InvalidNamespaceError):
            create_group(path=written)
    assert not Namespace.objects.exists()


def test_a_subgroup_may_have_such_a_name(gnuwget: Namespace, people: dict[str, User], git: Git, pat: Callable[..., str]) -> None:
    """Its path begins with another."""
    for name in ("admin", "api", "users"):
        project = ProjectFactory.create(path="tool", namespace=create_group(path=name, parent=gnuwget))
        set_member(project, people["ann"], 30)
        allowed(git.both(f"gnuwget/{name}/tool", PULL, pat("ann")))


@pytest.mark.parametrize("name", sorted({"admin", "API", "-", "users", "assets", "groups"}))
def test_a_push_below_a_reserved_name_makes_nothing(git: Git, pat: Callable[..., str], people: dict[str, User], name: str) -> None:
    """Nor for administrators; and the redirect without `.git` leads nowhere (contract: git-http 2.10)."""
    before = Project.objects.count()
    User.objects.filter(username="max").update(admin=True)
    for who in ("ann", "max"):
        refused(git.both(f"{name}/fresh", PUSH, pat(who)), 404, NAMESPACE_NOT_FOUND)
    assert git.client.get(f"/{name}/fresh/info/refs").status_code == 404
    assert Project.objects.count() == before


@pytest.mark.parametrize("name", FREE_NAMES)
def test_a_group_with_any_other_name_has_git_and_lfs(name: str, git: Git, people: dict[str, User], pat: Callable[..., str]) -> None:
    project = ProjectFactory.create(path="tool", namespace=create_group(path=name))
    set_member(project, people["ann"], 30)
    token, lfs = pat("ann"), LFS(f"{name}/tool")
    for command in (PULL, PUSH):
        allowed(git.both(f"{name}/tool", command, token))
    for operation in ("download", "upload"):
        assert lfs.batch(operation, token).status_code == 200
    assert lfs.get("info/lfs/locks", token).json() == {"locks": []}
    answer = git.client.get(f"/{name}/tool/info/refs")
    assert (answer.status_code, answer["Location"]) == (301, f"/{name}/tool.git/info/refs")


@pytest.mark.parametrize("name", FREE_NAMES)
def test_nginx_keeps_no_repository_back(name: str) -> None:
    """The locations of the shipped file that answer 404, held against what Git and git-lfs ask."""
    closed = re.findall(r"location ~ (\S+) \{ return 404; \}", NGINX.read_text())
    assert len(closed) == 2
    for project in ("tool", "database", "internal", "v4/internal"):
        for rest in ("info/refs", "git-upload-pack", "info/lfs/objects/batch"):
            path = f"/{name}/{project}.git/{rest}"
            assert not any(re.search(pattern, path) for pattern in closed), path


@pytest.mark.parametrize("name", ["admin", "api"])
def test_a_user_with_a_reserved_name_has_the_projects_that_were_made_for_them(
    git: Git, pat: Callable[..., str], people: dict[str, User], name: str
) -> None:
    """Users are not refused for their names; the path of Git goes before the admin site's and the API's."""
    user = UserFactory.create(username=name)
    ProjectFactory.create(path="tool", namespace=Namespace.objects.get(owner=user))
    token = pat(name)
    for command in (PULL, PUSH):
        allowed(git.both(f"{name}/tool", command, token))
    assert LFS(f"{name}/tool").batch("upload", token).status_code == 200
    refused(git.both(f"{name}/fresh", PUSH, token), 404, NAMESPACE_NOT_FOUND)
