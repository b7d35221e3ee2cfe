"""HEAD, the default branch and its rule go together, whatever is pushed first (contract: decisions 16c)."""

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import User
from internal_api.errors import UnavailableError
from internal_api.models import InstanceSettings
from internal_api.shared_store import SharedStore
from repositories.errors import InvalidProjectError
from repositories.gitaly.errors import GitalyUnavailableError
from repositories.models import Project, ProtectedBranch, PushEvent, Storage
from repositories.services.access import set_member
from repositories.services.default_branch import set_default_branch, settle_waiting
from repositories.services.protected_refs import protect_branch
from tests.factories import SSHKeyFactory
from tests.gitaly_server import FakeGitaly
from tests.repositories.services.conftest import BareRepository
from tests.tasks import run_tasks

ZEROS = "0" * 40


def report(shell: Client, project: Project, commit: str, *refs: str) -> Any:
    """Gitaly's word of a push that made these refs."""
    changes = "".join(f"{ZEROS} {commit} {ref}\n" for ref in refs)
    told = {"gl_repository": f"project-{project.pk}", "identifier": "", "changes": changes}
    response = shell.post("/api/v4/internal/post_receive", told, content_type="application/json")
    assert response.status_code == 200
    return response.json()


def push(shell: Client, project: Project, repository: BareRepository, *names: str) -> None:
    """A push of new branches, reported in this order."""
    commit = repository.branches(*names)
    report(shell, project, commit, *(f"refs/heads/{name}" for name in names))


def state(project: Project) -> tuple[str, bool, bool, list[str]]:
    """The default branch, whether it is provisional, whether the project counts as empty, what is protected."""
    project.refresh_from_db()
    rules = sorted(ProtectedBranch.objects.filter(project=project).values_list("name", flat=True))
    return project.default_branch, project.default_branch_is_provisional, project.empty, rules


@pytest.mark.parametrize(
    ("pushed", "default"),
    [
        pytest.param(["trunk"], "trunk", id="only one"),
        pytest.param(["develop", "master"], "master", id="all branches of an older repository"),
        pytest.param(["develop", "main", "master"], "main", id="what HEAD names"),
        pytest.param(["zebra", "apple"], "zebra", id="the first pushed, not the first by name"),
        pytest.param(["apple", "next"], "next", id="what the instance names"),
    ],
)
@pytest.mark.usefixtures("store")
def test_first_branches_decide_head_default_branch_and_rule(
    shell: Client, rockets: Project, repository: BareRepository, pushed: list[str], default: str
) -> None:
    InstanceSettings(default_branch_name="next").save()
    push(shell, rockets, repository, *pushed)
    assert state(rockets) == (default, False, False, [default])
    assert repository.head == f"refs/heads/{default}"


@pytest.mark.usefixtures("store")
def test_push_after_the_first_asks_gitaly_nothing(shell: Client, rockets: Project, repository: BareRepository, gitaly: FakeGitaly) -> None:
    push(shell, rockets, repository, "main")
    gitaly.calls.clear()
    push(shell, rockets, repository, "topic")
    assert gitaly.calls == []
    assert state(rockets) == ("main", False, False, ["main"])


@pytest.mark.usefixtures("store")
def test_without_answer_the_order_decides_and_a_worker_corrects_it(
    shell: Client, rockets: Project, repository: BareRepository, gitaly: FakeGitaly, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is pushed says zebra; HEAD, which could not be asked in time, says other, which the lost report had pushed."""
    repository.branches("other")
    repository.git("symbolic-ref", "HEAD", "refs/heads/other")
    monkeypatch.setattr("repositories.services.default_branch.SECONDS_OF_A_PUSH", 0.3)
    gitaly.hang_seconds = 1
    push(shell, rockets, repository, "zebra")
    assert state(rockets) == ("zebra", True, False, ["zebra"])
    gitaly.hang_seconds = 0
    run_tasks()
    assert state(rockets) == ("other", False, False, ["other"])
    assert repository.head == "refs/heads/other"


@pytest.mark.usefixtures("store")
def test_worker_that_gets_no_answer_leaves_it_to_a_sweep(
    shell: Client, rockets: Project, repository: BareRepository, gitaly: FakeGitaly
) -> None:
    Storage.objects.update(gitaly_address="tcp://127.0.0.1:1")
    push(shell, rockets, repository, "develop", "master")
    run_tasks()
    assert state(rockets) == ("master", True, False, ["master"])
    assert settle_waiting(timezone.now()) == 0
    Storage.objects.update(gitaly_address=gitaly.address)
    assert settle_waiting(timezone.now()) == 1
    assert state(rockets) == ("master", False, False, ["master"])
    assert repository.head == "refs/heads/master"


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("ref", ["refs/heads/topic", "refs/tags/v1"])
def test_first_report_lost_is_seen_at_the_next_push(shell: Client, rockets: Project, repository: BareRepository, ref: str) -> None:
    commit = repository.branches("main")
    repository.git("update-ref", ref, commit)
    report(shell, rockets, commit, ref)
    assert state(rockets) == ("main", False, False, ["main"])


def test_first_report_lost_is_seen_when_a_branch_is_to_be_moved(
    shell: Client, ann: User, rockets: Project, repository: BareRepository
) -> None:
    """The developer is told that main is protected, not that there is no default branch yet."""
    set_member(rockets, ann, 30)
    SSHKeyFactory.create(id=11, user=ann)
    commit = repository.branches("main", "topic")
    question = {"action": "git-receive-pack", "gl_repository": f"project-{rockets.pk}", "protocol": "ssh", "key_id": "11"}
    for ref, status in (("topic", 200), ("main", 401)):
        changes = f"{commit} {commit} refs/heads/{ref}\n"
        response = shell.post("/api/v4/internal/allowed", {**question, "changes": changes}, content_type="application/json")
        assert response.status_code == status
    assert response.json()["message"] == "You are not allowed to push code to protected branches on this project."
    assert state(rockets) == ("main", False, False, ["main"])


@pytest.mark.usefixtures("store")
def test_branches_that_are_gone_again_leave_the_project_empty(shell: Client, rockets: Project, repository: BareRepository) -> None:
    """The next first branch is protected as the first."""
    report(shell, rockets, "1" * 40, "refs/heads/short-lived")
    assert state(rockets) == ("short-lived", True, False, ["short-lived"])
    run_tasks()
    assert state(rockets)[2] is True
    push(shell, rockets, repository, "trunk")
    assert state(rockets)[0] == "trunk"
    assert "trunk" in state(rockets)[3]
    assert repository.head == "refs/heads/trunk"


@pytest.mark.usefixtures("store")
def test_rule_that_administrators_made_for_the_new_branch_is_kept(shell: Client, rockets: Project, repository: BareRepository) -> None:
    protect_branch(rockets, "trunk", {"push": [30], "merge": [30]})
    push(shell, rockets, repository, "trunk")
    rule = ProtectedBranch.objects.get()
    assert set(rule.grants.values_list("kind", "access_level")) == {("push", 30), ("merge", 30)}


def test_set_default_branch_moves_row_rule_and_head(rockets: Project, repository: BareRepository, gitaly: FakeGitaly) -> None:
    repository.branches("main", "trunk")
    Project.objects.update(empty=False)
    protect_branch(rockets, "main", {"push": [30], "merge": [40]}, allow_force_push=True)
    rockets.refresh_from_db()
    assert set_default_branch(rockets, "trunk")
    assert state(rockets) == ("trunk", False, False, ["trunk"])
    assert repository.head == "refs/heads/trunk"
    rule = ProtectedBranch.objects.get()
    assert (rule.allow_force_push, set(rule.grants.values_list("kind", "access_level"))) == (True, {("push", 30), ("merge", 40)})


def test_set_default_branch_keeps_both_rules_where_both_were_made(rockets: Project, repository: BareRepository) -> None:
    repository.branches("main", "trunk")
    Project.objects.update(empty=False)
    protect_branch(rockets, "main", {})
    protect_branch(rockets, "trunk", {})
    assert not set_default_branch(rockets, "trunk")
    assert state(rockets)[3] == ["main", "trunk"]


def test_set_default_branch_before_the_first_push(shell: Client, rockets: Project, repository: BareRepository, store: SharedStore) -> None:
    set_default_branch(rockets, "trunk")
    assert state(rockets) == ("trunk", False, True, [])
    push(shell, rockets, repository, "main", "trunk")
    assert state(rockets) == ("trunk", False, False, ["trunk"])


def test_set_default_branch_of_a_project_whose_first_report_was_lost(rockets: Project, repository: BareRepository) -> None:
    repository.branches("main", "trunk")
    set_default_branch(rockets, "trunk")
    assert state(rockets) == ("trunk", False, False, ["trunk"])


@pytest.mark.parametrize(
    ("branch", "error", "text"),
    [("no", InvalidProjectError, "has no branch 'no'"), ("a..b", InvalidProjectError, "not a valid name")],
)
def test_set_default_branch_refuses_what_is_not_there(
    rockets: Project, repository: BareRepository, branch: str, error: type[Exception], text: str
) -> None:
    repository.branches("main")
    with pytest.raises(error, match=text):
        set_default_branch(rockets, branch)
    assert state(rockets) == ("main", False, True, [])
    assert repository.head == "refs/heads/main"


def test_set_default_branch_changes_nothing_while_gitaly_fails(
    rockets: Project, repository: BareRepository, gitaly: FakeGitaly, monkeypatch: pytest.MonkeyPatch
) -> None:
    """HEAD is written first, and the row only after it."""
    repository.branches("main", "trunk")
    Project.objects.update(empty=False)
    protect_branch(rockets, "main", {})

    def refuse(*_: Any, **__: Any) -> None:
        raise GitalyUnavailableError("away")

    monkeypatch.setattr("repositories.gitaly.client.GitalyClient.set_head", refuse)
    with pytest.raises(UnavailableError, match="cannot be changed at the moment: away"):
        set_default_branch(rockets, "trunk")
    assert state(rockets) == ("main", False, False, ["main"])


def test_set_default_branch_of_a_missing_repository_says_what_to_run(gitaly: FakeGitaly, rockets: Project) -> None:
    with pytest.raises(UnavailableError, match=r"missing at Gitaly.*create_repositories --project acme/rockets"):
        set_default_branch(rockets, "trunk")


@pytest.mark.usefixtures("store")
def test_events_are_kept_while_gitaly_is_away(shell: Client, rockets: Project) -> None:
    Project.objects.update(empty=True)
    report(shell, rockets, "1" * 40, "refs/heads/trunk")
    assert PushEvent.objects.count() == 1
    assert state(rockets) == ("trunk", True, False, ["trunk"])
