"""A first push that creates its project: what is asked before anything is made (contract: allowed 4.7, decisions 10a)."""

from typing import Any

import pytest
from django.test import Client

from accounts.models import User
from repositories.errors import RepositoryNotCreatedError
from repositories.models import Namespace, Project, Route
from repositories.policy.reasons import Reason
from repositories.policy.repository_path import relative_path
from repositories.services.access import set_member
from repositories.services.projects import add_redirect
from tests.factories import GroupFactory, ProjectFactory, StorageFactory, UserFactory
from tests.gitaly_server import FakeGitaly
from tests.statements import at_most

NOT_ALLOWED = "You are not allowed to access projects in this namespace."


def push(caller: Client, path: str, **values: Any) -> Any:
    question = {"project": path, "action": "git-receive-pack", "changes": "_any", "protocol": "ssh", **values}
    return caller.post("/api/v4/internal/allowed", question, content_type="application/json")


def refused(response: Any, status: int, message: str) -> None:
    assert (response.status_code, response.json()) == (status, {"status": False, "message": message})


@pytest.fixture
def tools(acme: Namespace, ann: User) -> Namespace:
    """A subgroup of acme; ann is a maintainer of acme."""
    set_member(acme, ann, 40)
    return GroupFactory.create(path="tools", parent=acme)


RULES: dict[str, tuple[dict[str, Any], dict[str, Any], int, str]] = {
    "certificates, none shown": ({"enforce_ssh_certificates": True}, {}, 401, NOT_ALLOWED),
    "certificate of another group": ({}, {"namespace_path": "wiley"}, 401, NOT_ALLOWED),
    "certificate of a subgroup": ({}, {"namespace_path": "acme/tools"}, 401, NOT_ALLOWED),
    "address outside the list": ({"ip_allowlist": ["10.0.0.0/8"]}, {"check_ip": "11.1.1.1"}, 404, Reason.PROJECT_NOT_FOUND.message),
    "address that is none": ({"ip_allowlist": ["10.0.0.0/8"]}, {"check_ip": "[127.0"}, 404, Reason.PROJECT_NOT_FOUND.message),
    "another protocol": ({"enabled_git_access_protocol": "http"}, {}, 401, "Git access over SSH is not allowed"),
    "archived": ({"archived": True}, {}, 404, Reason.PROJECT_NOT_FOUND.message),
}


@pytest.mark.parametrize("path", ["acme/fresh", "acme/tools/fresh"])
@pytest.mark.parametrize("rule", RULES)
def test_a_refusal_by_the_group_leaves_neither_row_nor_repository(
    shell: Client, ann: User, acme: Namespace, tools: Namespace, gitaly: FakeGitaly, rule: str, path: str
) -> None:
    """Each rule is one of the top-level group, so it holds in the subgroup as well."""
    fields, values, status, message = RULES[rule]
    Namespace.objects.filter(pk=acme.pk).update(**fields)
    refused(push(shell, path, user_id=ann.pk, **values), status, message)
    assert not Project.objects.exists()
    assert not Route.objects.filter(path=path).exists()
    assert gitaly.calls == []


def test_a_limit_that_is_reached_leaves_neither_row_nor_repository(shell: Client, ann: User, gitaly: FakeGitaly) -> None:
    User.objects.filter(pk=ann.pk).update(projects_limit=1)
    assert push(shell, "ann/one", user_id=ann.pk).status_code == 200
    refused(push(shell, "ann/two", user_id=ann.pk), 404, Reason.PROJECT_NOT_FOUND.message)
    assert Project.objects.count() == 1
    assert gitaly.calls == ["CreateRepository"]


@pytest.mark.parametrize("who", ["outsider", "nobody", "reporter"])
@pytest.mark.parametrize("rule", ["no rule", *RULES])
def test_whoever_may_not_create_there_learns_nothing_of_the_group(
    shell: Client, ann: User, acme: Namespace, tools: Namespace, gitaly: FakeGitaly, who: str, rule: str
) -> None:
    bob = UserFactory.create(username="bob")
    if who == "reporter":
        set_member(acme, bob, 20)
    fields, values, *_ = RULES.get(rule, ({}, {}))
    Namespace.objects.filter(pk=acme.pk).update(**{"archived": False, **fields})
    values = values if who == "nobody" else {**values, "user_id": bob.pk}
    refused(push(shell, "acme/fresh", **values), 404, Reason.PROJECT_NOT_FOUND.message)
    assert gitaly.calls == []


@pytest.mark.parametrize("path", ["acme/fresh", "acme/tools/fresh", "ACME/Tools/fresh.git"])
def test_a_session_with_the_groups_certificate_creates_in_it(
    shell: Client, ann: User, acme: Namespace, tools: Namespace, gitaly: FakeGitaly, path: str
) -> None:
    """Contract: allowed 4.4 step 1: the namespace of the path decides, whether the project exists or not."""
    Namespace.objects.filter(pk=acme.pk).update(enforce_ssh_certificates=True)
    assert push(shell, path, username="ann", namespace_path="acme").status_code == 200
    assert Project.objects.count() == 1
    assert gitaly.calls == ["CreateRepository"]
    assert push(shell, path, username="ann", namespace_path="acme").status_code == 200, "and the next push finds it"


def test_with_a_certificate_nothing_is_created_in_ones_own_namespace(
    shell: Client, ann: User, tools: Namespace, gitaly: FakeGitaly
) -> None:
    refused(push(shell, "ann/fresh", username="ann", namespace_path="acme"), 401, NOT_ALLOWED)
    assert not Project.objects.exists()


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("ann/x.wiki", "The wiki you were looking for could not be found."),
        ("ann/x.wiki.git", "The wiki you were looking for could not be found."),
        ("ann/x.WIKI", Reason.PROJECT_NOT_FOUND.message),
        ("ann/x.design", Reason.PROJECT_NOT_FOUND.message),
    ],
)
def test_wikis_and_designs_are_never_created(shell: Client, ann: User, gitaly: FakeGitaly, path: str, message: str) -> None:
    refused(push(shell, path, user_id=ann.pk), 404, message)
    assert not Project.objects.exists()
    assert gitaly.calls == []


def test_a_repository_that_gitaly_has_already_is_taken(shell: Client, ann: User, gitaly: FakeGitaly) -> None:
    assert push(shell, "ann/one", user_id=ann.pk).status_code == 200
    gitaly.make(relative_path(Project.objects.get().pk + 1, "project"))
    assert push(shell, "ann/two", user_id=ann.pk).status_code == 200
    assert Project.objects.count() == 2
    assert gitaly.calls == ["CreateRepository"] * 2


@pytest.mark.parametrize("path", ["ann/fresh", "acme/tools/fresh"])
def test_a_fixed_number_of_queries(shell: Client, ann: User, tools: Namespace, gitaly: FakeGitaly, path: str) -> None:
    push(shell, "ann/first", user_id=ann.pk)
    with at_most(36):
        assert push(shell, path, user_id=ann.pk).status_code == 200
    with at_most(1):
        assert push(shell, path, user_id=ann.pk).status_code == 200


@pytest.mark.parametrize("who", ["ann", "root"])
def test_where_a_hidden_project_once_was_a_project_is_made(shell: Client, ann: User, acme: Namespace, gitaly: FakeGitaly, who: str) -> None:
    """Decisions 10a: to those who may not know of it, it does not exist; those who may are led to it."""
    hidden = ProjectFactory.create(namespace=GroupFactory.create(path="secret"), path="x", visibility="private")
    add_redirect(hidden, "ann/moved")
    user = ann if who == "ann" else UserFactory.create(username="root", admin=True)
    told = push(shell, "ann/moved", user_id=user.pk)
    assert told.status_code == 200
    assert told.json()["gl_repository"] == (f"project-{hidden.pk}" if who == "root" else f"project-{hidden.pk + 1}")
    assert Project.objects.count() == (1 if who == "root" else 2)


def test_a_pusher_is_not_told_where_gitaly_is(shell: Client, ann: User, tools: Namespace, caplog: pytest.LogCaptureFixture) -> None:
    """The address is inside the network; the log tells it to operators."""
    StorageFactory.create(name="default", gitaly_address="tcp://127.0.0.1:1")
    response = push(shell, "acme/tools/fresh", user_id=ann.pk)
    assert (response.status_code, response.json()["message"]) == (503, RepositoryNotCreatedError.message)
    assert "127.0.0.1" not in response.content.decode()
    assert "127.0.0.1:1" in caplog.text
