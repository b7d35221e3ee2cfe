"""A push from its first question to its last: /allowed with changes, /pre_receive, /post_receive (contract: allowed 5 to 7, gitaly 6)."""

import base64
import json
import os
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from pytest_django.fixtures import Settings

from accounts.models import SSHKey, User
from internal_api.models import InstanceSettings
from internal_api.shared_store import SharedStore, database_store
from repositories.models import Namespace, Project, ProtectedBranch, PushEvent, Storage, Webhook, WebhookDelivery
from repositories.policy.repository_path import relative_path
from repositories.services.access import grant_deploy_key, set_member, share_with
from repositories.services.follow_up import follow_project
from repositories.services.projects import add_redirect
from repositories.services.protected_refs import protect_branch, protect_tag
from repositories.services.reference_counters import counter_key, pushes_under_way
from tests.factories import DeployKeyFactory, GroupFactory, SSHKeyFactory, UserFactory
from tests.gitaly_server import FakeGitaly
from tests.statements import at_most

ZEROS, OLD, NEW = "0" * 40, "d14d6c0abdd253381df51a723d58691b2ee1ab08", "570e7b2abdd848b95f2f578043fc23bd6f6fd24d"
FORCE = "You are not allowed to force push code to a protected branch on this project."
CANNOT, TELL = "The push cannot be checked, because", "Please tell an administrator."
AWAY = "The push cannot be checked at the moment, because the Git storage does not answer. Please try again later."


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    set_member(rockets, ann, 30)
    return SSHKeyFactory.create(id=11, user=ann)


@pytest.fixture
def commits(gitaly: FakeGitaly, rockets: Project, tmp_path: Path) -> list[str]:
    """Two commits of main in the project's repository, and one beside them."""
    bare = gitaly.make(relative_path(rockets.pk, "project"))
    identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}

    def commit(*parents: str) -> str:
        tree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"
        command = [
            "git",
            "--git-dir",
            str(bare),
            "commit-tree",
            tree,
            *[one for parent in parents for one in ("-p", parent)],
            "-m",
            str(len(parents)),
        ]
        return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **identity}).stdout.strip()

    subprocess.run(["git", "--git-dir", str(bare), "hash-object", "-t", "tree", "-w", "/dev/null"], check=True, capture_output=True)
    first = commit()
    second, beside = commit(first), commit(first, first)
    subprocess.run(["git", "--git-dir", str(bare), "update-ref", "refs/heads/main", second], check=True)
    return [first, second, beside]


def ask(caller: Client, project: Project, changes: str, **values: Any) -> Any:
    """The question of Gitaly's hook (gitaly 1.7)."""
    env = json.dumps({"GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE": None, "GIT_OBJECT_DIRECTORY_RELATIVE": ""})
    question = {
        "action": "git-receive-pack",
        "gl_repository": f"project-{project.pk}",
        "project": "/var/opt/gitaly/x.git",
        "changes": changes,
        "protocol": "ssh",
        "relative_path": relative_path(project.pk, "project"),
        "env": env,
        "key_id": "11",
        **values,
    }
    return caller.post("/api/v4/internal/allowed", question, content_type="application/json")


def answer(response: Any) -> tuple[int, str | None]:
    return response.status_code, response.json().get("message")


def test_an_unprotected_branch_needs_no_gitaly(shell: Client, key: SSHKey, rockets: Project) -> None:
    """Decisions 23: the storage of this test is nowhere, and nobody notices."""
    assert answer(ask(shell, rockets, f"{OLD} {NEW} refs/heads/topic\n")) == (200, None)
    assert answer(ask(shell, rockets, f"{OLD} {ZEROS} refs/heads/main\n")) == (401, "The default branch of a project cannot be deleted.")


def test_fast_forward_and_forced_updates_of_a_protected_branch(
    shell: Client, key: SSHKey, rockets: Project, gitaly: FakeGitaly, commits: list[str]
) -> None:
    """Gitaly 6 #31, allowed 10.8 #176: one CheckObjectsExist and one CommitIsAncestor, and none for other branches."""
    first, second, beside = commits
    protect_branch(rockets, "main", {"push": [30]})
    assert answer(ask(shell, rockets, f"{first} {second} refs/heads/main\n")) == (200, None)
    assert gitaly.calls == ["CheckObjectsExist", "CommitIsAncestor"]
    assert gitaly.metadata["relative-path-bin"] == relative_path(rockets.pk, "project").encode()
    assert answer(ask(shell, rockets, f"{second} {beside} refs/heads/main\n")) == (401, FORCE)
    gitaly.calls.clear()
    assert answer(ask(shell, rockets, f"{second} {beside} refs/heads/other\n")) == (200, None)
    assert gitaly.calls == []


def test_new_commits_as_the_basis_of_a_protected_branch(
    shell: Client, key: SSHKey, rockets: Project, gitaly: FakeGitaly, commits: list[str]
) -> None:
    """Allowed 5.4 row 7, decisions 23: by somebody who may only merge."""
    first, _, beside = commits
    protect_branch(rockets, "main", {})
    protect_branch(rockets, "prod-*", {"merge": [30]})
    existing = "You can only use an existing protected branch ref as the basis of a new protected branch."
    assert answer(ask(shell, rockets, f"{ZEROS} {beside} refs/heads/prod-1\n")) == (401, existing)
    by_git = "You can only create protected branches using the web interface and API."
    assert answer(ask(shell, rockets, f"{ZEROS} {first} refs/heads/prod-1\n")) == (401, by_git)
    assert answer(ask(shell, rockets, f"{ZEROS} {first} refs/heads/prod-1\n", protocol="web")) == (200, None)


@pytest.mark.parametrize("fault", ["away", "rubbish", "token", "missing object", "missing repository", "unknown storage"])
def test_when_git_cannot_be_asked_the_push_is_refused(
    shell: Client, key: SSHKey, rockets: Project, gitaly: FakeGitaly, commits: list[str], fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Decisions 16d and 23, gitaly 6 #47: nothing is guessed, and the pusher reads what is the matter."""
    protect_branch(rockets, "main", {"push": [30]})
    old = commits[0]
    match fault:
        case "away":
            Storage.objects.update(gitaly_address="tcp://127.0.0.1:1")
        case "rubbish":
            gitaly.rubbish = True
        case "token":
            gitaly.token = "another"
        case "missing object":
            old = OLD
        case "unknown storage":
            gitaly.storages = ("other",)
        case _:
            Project.objects.update(relative_path="no/where.git")
    response = ask(shell, rockets, f"{old} {commits[1]} refs/heads/main\n")
    assert response.status_code == 503
    assert response.json()["status"] is False
    sentences = {
        "missing object": "The push cannot be checked: the repository does not have what the push starts from.",
        "missing repository": f"{CANNOT} the repository is missing in the Git storage. {TELL}",
        "token": f"{CANNOT} the Git storage refuses this service's token. {TELL}",
        "unknown storage": f"{CANNOT} the Git storage does not serve this repository. {TELL}",
    }
    assert response.json()["message"] == sentences.get(fault, AWAY)
    if fault == "missing repository":
        assert "The repository is missing at Gitaly" in caplog.text


def test_a_gitaly_that_hangs_ends_the_push_in_time(
    shell: Client, key: SSHKey, rockets: Project, gitaly: FakeGitaly, commits: list[str], settings: Settings
) -> None:
    """Allowed 5.9, gitaly 6 #47; with a shorter budget than the real one, and enough of it to come to the question."""
    settings.DECISION_SECONDS = 2
    protect_branch(rockets, "main", {"push": [30]})
    answered = threading.Event()
    gitaly.before = lambda name: answered.wait(60)
    status, message = answer(ask(shell, rockets, f"{commits[0]} {commits[1]} refs/heads/main\n"))
    answered.set()
    assert status == 503
    section = "Checking if you are force pushing to a protected branch... (cancelled after "
    lines = f"Push operation timed out\n\nTiming information for debugging purposes:\nRunning checks for ref: main\n{section}"
    assert (message or "").startswith(lines)


@pytest.mark.parametrize("path", ["../../etc", "/etc", "objects/../../../x"])
def test_a_lying_environment_is_passed_on_and_never_opened(
    shell: Client, key: SSHKey, rockets: Project, gitaly: FakeGitaly, commits: list[str], path: str
) -> None:
    """Gitaly 2.4, 6 #35: what it names is Gitaly's business."""
    protect_branch(rockets, "main", {"push": [30]})
    env = json.dumps({"GIT_OBJECT_DIRECTORY_RELATIVE": path, "GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE": ["objects"]})
    response = ask(shell, rockets, f"{commits[0]} {commits[1]} refs/heads/main\n", env=env)
    assert set(gitaly.quarantines) <= {path}
    assert response.status_code in (200, 401, 503), "whatever Gitaly makes of it, but never a fault"


@pytest.mark.parametrize("who", ["role", "user", "group", "deploy key", "root group"])
def test_levels_that_are_kept_in_the_database(shell: Client, key: SSHKey, rockets: Project, ann: User, who: str) -> None:
    """Allowed 5.5: every kind of level, and the rules of the top-level group."""
    changes = f"{ZEROS} {NEW} refs/heads/prod\n"
    protect_branch(rockets.namespace if who == "root group" else rockets, "pro*", {"push": [40]})
    text = "You are not allowed to create protected branches on this project."
    assert answer(ask(shell, rockets, changes)) == (401, text)
    match who:
        case "user":
            protect_branch(rockets, "prod", {"push": [ann]})
        case "group":
            guests = GroupFactory.create(path="guests")
            protect_branch(rockets, "prod", {"push": [guests]})
            set_member(guests, ann, 30)
            assert answer(ask(shell, rockets, changes)) == (401, text), "the group is not invited yet"
            share_with(rockets, guests, 30)
        case "deploy key":
            deploy = DeployKeyFactory.create(owner=ann)
            protect_branch(rockets, "prod", {"push": [deploy]})
            grant_deploy_key(rockets, deploy, can_push=True)
        case _:
            protect_branch(rockets.namespace if who == "root group" else rockets, "prod", {"push": [30]})
    assert answer(ask(shell, rockets, changes)) == (200, None)


def test_protected_tags_are_kept_too(shell: Client, key: SSHKey, rockets: Project) -> None:
    protect_tag(rockets, "v*", {"create": [40]})
    denied = answer(ask(shell, rockets, f"{ZEROS} {NEW} refs/tags/v1\n"))
    assert denied == (401, "You are not allowed to create this tag as it is protected.")
    protect_tag(rockets, "v*", {"create": [30]})
    assert answer(ask(shell, rockets, f"{ZEROS} {NEW} refs/tags/v1\n")) == (200, None)
    assert answer(ask(shell, rockets, f"{OLD} {NEW} refs/tags/v1\n")) == (401, "Protected tags cannot be updated.")


@pytest.mark.parametrize("refs", [1, 1000])
@pytest.mark.parametrize("rules", [10, 10_000])
def test_a_push_is_two_statements_however_many_refs_and_rules(
    shell: Client, key: SSHKey, rockets: Project, refs: int, rules: int, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    ProtectedBranch.objects.bulk_create(ProtectedBranch(project=rockets, name=f"rule-{number}") for number in range(rules))
    changes = "".join(f"{ZEROS} {NEW} refs/heads/topic-{number}\n" for number in range(refs))
    ask(shell, rockets, changes)
    with django_assert_num_queries(2):  # the facts, and the note that the push was allowed
        assert answer(ask(shell, rockets, changes)) == (200, None)


def pushed(caller: Client, path: str, *, user: User, **values: Any) -> Any:
    question = {"action": "git-receive-pack", "project": path, "changes": "_any", "protocol": "ssh", "user_id": user.pk, **values}
    return caller.post("/api/v4/internal/allowed", question, content_type="application/json")


@pytest.mark.parametrize(
    ("web_url", "visit"),
    [
        ("", ""),
        ("https://web.example.com/git/", "To view the project, visit:\n  https://web.example.com/git/ann/notexist\n\n"),
    ],
)
def test_a_push_makes_its_project(shell: Client, ann: User, gitaly: FakeGitaly, store: SharedStore, web_url: str, visit: str) -> None:
    """Allowed 4.7, 10.4 #67, 10.14 #331: private, empty, at Gitaly too, and told after the push; decisions 19: the link."""
    InstanceSettings(web_url=web_url).save()
    response = pushed(shell, "ann/notexist.git", user=ann)
    project = Project.objects.get()
    assert (response.status_code, response.json()["gl_project_path"]) == (200, "ann/notexist")
    assert (project.visibility, project.empty, project.creator) == ("private", True, ann)
    assert (gitaly.path_of("default", relative_path(project.pk, "project")) / "HEAD").exists()
    told = after(shell, f"project-{project.pk}", identifier=f"user-{ann.pk}", changes=f"{ZEROS} {NEW} refs/heads/main")
    assert told["messages"] == [
        {
            "message": "\nThe private project ann/notexist was successfully created.\n\nTo configure the remote, run:\n"
            f"  git remote add origin ssh://git@localhost/ann/notexist.git\n\n{visit}",
            "type": "basic",
        }
    ]
    assert after(shell, f"project-{project.pk}", identifier=f"user-{ann.pk}", changes="")["messages"] == [], "once"


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("ann/cannot_end_with_dot.", 422, id="#68"),
        pytest.param("ann/notexist/snippets/notexist.git", 404, id="#70"),
        pytest.param("bob/notexist.git", 404, id="#73"),
        pytest.param("unknown/p.git", 404, id="10.15 #367"),
        pytest.param("acme/notexist.git", 404, id="a group without a role"),
        pytest.param("notexist.git", 404, id="no namespace"),
    ],
)
def test_pushes_that_make_nothing(shell: Client, ann: User, acme: Namespace, gitaly: FakeGitaly, path: str, status: int) -> None:
    """Allowed 10.4."""
    UserFactory.create(username="bob")
    response = pushed(shell, path, user=ann)
    assert (response.status_code, response.json()["status"], Project.objects.count()) == (status, False, 0)
    assert status != 422 or response.json()["message"].startswith("Could not create project: ")


def test_who_may_make_projects_in_a_group(shell: Client, ann: User, acme: Namespace, gitaly: FakeGitaly) -> None:
    set_member(acme, ann, 30)
    assert pushed(shell, "acme/one", user=ann).status_code == 404
    Namespace.objects.filter(pk=acme.pk).update(project_creation_level="developer")
    assert pushed(shell, "acme/one", user=ann).status_code == 200
    Namespace.objects.filter(pk=acme.pk).update(project_creation_level="no_one")
    set_member(acme, ann, 50)
    assert pushed(shell, "acme/two", user=ann).status_code == 404
    assert pushed(shell, "acme/two", user=UserFactory.create(username="root", admin=True)).status_code == 200
    assert pushed(shell, "ann/x", user=ann, changes=f"{ZEROS} {NEW} refs/heads/main").status_code == 404, "#74: real changes never do"
    User.objects.filter(pk=ann.pk).update(projects_limit=0)
    assert pushed(shell, "ann/x", user=ann).status_code == 404, "no room"


@pytest.mark.parametrize(("role", "invitation", "status"), [(50, 40, 200), (40, 50, 200), (30, 50, 404), (50, 30, 404)])
def test_members_of_an_invited_group_make_projects_with_the_role_they_have_by_it(
    shell: Client, ann: User, acme: Namespace, gitaly: FakeGitaly, role: int, invitation: int, status: int
) -> None:
    invited = GroupFactory.create(path="invited")
    share_with(acme, invited, invitation)
    set_member(invited, ann, role)
    assert pushed(shell, "acme/one", user=ann).status_code == status


def test_members_above_an_invited_group_make_no_projects(shell: Client, ann: User, acme: Namespace, gitaly: FakeGitaly) -> None:
    """Direct members alone have a role by an invitation to a group, as for projects."""
    above = GroupFactory.create(path="above")
    share_with(acme, GroupFactory.create(path="invited", parent=above), 50)
    set_member(above, ann, 50)
    assert pushed(shell, "acme/one", user=ann).status_code == 404


def test_without_gitaly_no_project_is_made(shell: Client, ann: User, gitaly: FakeGitaly) -> None:
    """Decisions 10a: rolled back, 503; a repository that is there already is as good as a new one."""
    gitaly.token = "another"
    response = pushed(shell, "ann/notexist", user=ann)
    assert (response.status_code, response.json()["status"], Project.objects.count()) == (503, False, 0)


def before(caller: Client, **values: Any) -> Any:
    return caller.post("/api/v4/internal/pre_receive", values, content_type="application/json")


def after(caller: Client, gl_repository: str, headers: dict[str, str] | None = None, **values: Any) -> Any:
    body = {"gl_repository": gl_repository, **values}
    response = caller.post("/api/v4/internal/post_receive", body, content_type="application/json", headers=headers or {})
    assert response.status_code == 200, response.content
    return response.json()


def test_pushes_under_way_are_counted(shell: Client, rockets: Project, store: SharedStore) -> None:
    """Allowed 7.1, 10.14 #307, #308; gitaly 6 #52, #61."""
    name = f"project-{rockets.pk}"
    assert [before(shell, gl_repository=name).json() for _ in range(2)] == [{"reference_counter_increased": True}] * 2
    assert store.number(counter_key(name)) == 2
    assert [after(shell, name)["reference_counter_decreased"] for _ in range(3)] == [True] * 3
    assert store.number(counter_key(name)) == 0
    assert before(shell, gl_repository="anything at all").json() == {"reference_counter_increased": True}


@pytest.mark.parametrize("values", [{}, {"gl_repository": ""}, {"gl_repository": None}, {"gl_repository": ["x"]}])
def test_a_push_to_nothing_is_not_counted(shell: Client, db: None, values: dict[str, Any]) -> None:
    """Gitaly 6 #53, decisions 16a."""
    response = before(shell, **values)
    assert (response.status_code, isinstance(response.json()["message"], str)) == (400, True)


def test_while_redis_is_away_pushes_are_counted_in_the_database(shell: Client, rockets: Project, settings: Settings) -> None:
    """Decisions 14 and 16a: pushes go on; /check tells of the store that is configured."""
    name = f"project-{rockets.pk}"
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    assert before(shell, gl_repository=name).json() == {"reference_counter_increased": True}
    assert database_store().number(counter_key(name)) == 1
    assert shell.get("/api/v4/internal/check").json()["redis"] is False
    assert after(shell, name, changes=f"{ZEROS} {NEW} refs/heads/x")["reference_counter_decreased"] is True
    assert (PushEvent.objects.count(), database_store().number(counter_key(name))) == (1, 0)


@pytest.mark.postgresql
def test_a_push_that_began_while_redis_was_away_ends_when_it_is_back(
    shell: Client, rockets: Project, store: Any, settings: Settings
) -> None:
    """And the other way round it ends with the counter's life."""
    name, redis_url = f"project-{rockets.pk}", settings.REDIS_URL
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    before(shell, gl_repository=name)
    settings.REDIS_URL = redis_url
    before(shell, gl_repository=name)
    assert pushes_under_way(name) == 2
    after(shell, name)
    assert (store.number(counter_key(name)), pushes_under_way(name)) == (0, 1)
    after(shell, name)
    assert pushes_under_way(name) == 0


def test_a_push_leaves_one_event(shell: Client, key: SSHKey, rockets: Project, store: SharedStore) -> None:
    """Allowed 7.3, 10.14 #310, #385: who, which refs, with which options, and an invitation."""
    InstanceSettings(web_url="http://localhost:3001").save()
    context = base64.b64encode(b'{"skip-ci": true}').decode()
    told = after(
        shell,
        f"project-{rockets.pk}",
        identifier="key-11",
        changes=f"{ZEROS} {NEW} refs/heads/feature\n{OLD} {ZEROS} refs/heads/gone\n{OLD} {NEW} refs/heads/main\n",
        push_options=["ci.variable=A=1", "another push option"],
        gitaly_client_context_bin=context,
    )
    link = "http://localhost:3001/acme/rockets/-/merge_requests/new?merge_request%5Bsource_branch%5D=feature"
    assert told == {
        "messages": [{"message": f"To create a merge request for feature, visit:\n  {link}", "type": "basic"}],
        "reference_counter_decreased": True,
    }
    event = PushEvent.objects.get()
    assert (event.project, event.user, event.identifier) == (rockets, key.user, "key-11")
    assert event.response == {"before": [], "links": True, "after": []}, "nothing that can be made again"
    assert event.changes[0] == [ZEROS, NEW, "refs/heads/feature"]
    assert event.push_options == {"ci": {"variable": {"A=1": 1}, "skip": True}}


def test_a_push_of_many_branches_has_a_small_answer_and_leaves_none_of_it(
    shell: Client, key: SSHKey, rockets: Project, store: SharedStore
) -> None:
    """Allowed 7.5: links in order of the changes, for the first branches; a repeated call is answered alike."""
    InstanceSettings(web_url="https://web.example.com", broadcasts=[{"message": "Down at noon", "target_path": ""}]).save()
    name = f"project-{rockets.pk}"
    store.put(f"redirect_namespace:{key.user_id}:{name}", "It was moved", 300)
    lines = [f"{ZEROS} {NEW} refs/heads/{'x' * 1025}", *(f"{ZEROS} {NEW} refs/heads/b{number}" for number in range(100_000))]
    told, again = (after(shell, name, {"x-request-id": "01H"}, identifier="key-11", changes="\n".join(lines)) for _ in range(2))
    texts = [message["message"] for message in told["messages"]]
    branches = [text.removeprefix("To create a merge request for ").partition(",")[0] for text in texts[1:-1]]
    assert (texts[0], branches, texts[-1]) == ("Down at noon", [f"b{number}" for number in range(10)], "It was moved")
    assert again == told
    event = PushEvent.objects.get()
    assert len(event.changes) == 100_001
    assert (len(json.dumps(told)) < 3000, len(json.dumps(event.response)) < 300) == (True, True)


def test_a_first_push_repeated_is_answered_alike(shell: Client, key: SSHKey, rockets: Project, store: SharedStore) -> None:
    """Links are for repositories that were not empty, which this one is not any more when the call is repeated."""
    InstanceSettings(web_url="https://web.example.com").save()
    Project.objects.update(empty=True)
    changes = f"{ZEROS} {NEW} refs/heads/main\n{ZEROS} {NEW} refs/heads/topic"
    told = [after(shell, f"project-{rockets.pk}", {"x-request-id": "01H"}, changes=changes) for _ in range(2)]
    assert [answer["messages"] for answer in told] == [[], []]
    assert PushEvent.objects.get().response == {}


def test_a_call_repeated_across_an_upgrade_is_answered_alike(shell: Client, key: SSHKey, rockets: Project, store: SharedStore) -> None:
    """Whole answers were kept before."""
    for _ in range(2):
        told = after(shell, f"project-{rockets.pk}", {"x-request-id": "01H"}, changes=CREATED)
        kept = [{"message": "as it was", "type": "basic"}]
        PushEvent.objects.update(response={"messages": kept, "reference_counter_decreased": True})
    assert told == {"messages": kept, "reference_counter_decreased": True}


@pytest.mark.parametrize(("branch", "shown"), [("a/b", "a%2Fb"), ("a b", "a+b"), ("é", "%C3%A9")])
def test_branches_in_addresses(shell: Client, key: SSHKey, rockets: Project, store: SharedStore, branch: str, shown: str) -> None:
    """Allowed 7.5."""
    InstanceSettings(web_url="https://web.example.com").save()
    told = after(shell, f"project-{rockets.pk}", changes=f"{ZEROS} {NEW} refs/heads/{branch}")["messages"]
    assert told[0]["message"].endswith(f"source_branch%5D={shown}")


def test_without_a_web_interface_no_link_is_printed(shell: Client, key: SSHKey, rockets: Project, store: SharedStore) -> None:
    """Decisions 19."""
    assert after(shell, f"project-{rockets.pk}", changes=f"{ZEROS} {NEW} refs/heads/feature")["messages"] == []


@pytest.mark.parametrize("fields", [{"printing_merge_request_link_enabled": False}, {"merge_requests_enabled": False}, {"empty": True}])
def test_no_invitation(shell: Client, rockets: Project, store: SharedStore, fields: dict[str, bool]) -> None:
    """Allowed 10.14 #317, #319, #344."""
    InstanceSettings(web_url="https://web.example.com").save()
    Project.objects.update(**fields)
    assert after(shell, f"project-{rockets.pk}", changes=f"{ZEROS} {NEW} refs/heads/feature")["messages"] == []


def test_the_documents_own_example_works(shell: Client, ann: User, rockets: Project, store: SharedStore) -> None:
    """Internal API document, `post_receive`: a form, a backslash and an n, a short ref."""
    body = {"gl_repository": f"project-{rockets.pk}", "identifier": f"user-{ann.pk}", "changes": f"{ZEROS} {NEW} gh-pages\\n"}
    response = shell.post("/api/v4/internal/post_receive", body)
    assert response.json() == {"messages": [], "reference_counter_decreased": True}
    assert PushEvent.objects.get().changes == [[ZEROS, NEW, "gh-pages"]]


@pytest.mark.parametrize(
    "values",
    [
        {"gl_repository": "project-999"}, {"gl_repository": "nonsense"}, {"gl_repository": 7}, {}, {"changes": 7}, {"changes": "nonsense"},
        {"identifier": "junk"}, {"identifier": ["x"]}, {"push_options": None}, {"push_options": "x"}, {"push_options": [1]},
        {"gitaly_client_context_bin": None},
    ],
)  # fmt: skip
def test_a_push_that_has_happened_is_never_refused(shell: Client, rockets: Project, store: SharedStore, values: dict[str, Any]) -> None:
    """Gitaly 6 #56, #58, #67; decisions 16a."""
    body = {"gl_repository": f"project-{rockets.pk}", "identifier": "user-1", "changes": "", **values} if values else {}
    response = shell.post("/api/v4/internal/post_receive", body, content_type="application/json")
    assert (response.status_code, response.json()) == (200, {"messages": [], "reference_counter_decreased": True})


def test_a_context_that_cannot_be_read_is_the_one_refusal(shell: Client, rockets: Project) -> None:
    """Allowed 1.3."""
    body = {"gl_repository": "project-1", "gitaly_client_context_bin": "%%%"}
    for endpoint in ("pre_receive", "post_receive"):
        assert shell.post(f"/api/v4/internal/{endpoint}", body).status_code == 400


def test_a_repeated_call_is_answered_alike_and_recorded_once(shell: Client, key: SSHKey, rockets: Project, store: SharedStore) -> None:
    """Decisions 16a: the same request id, actor, repository and changes within ten minutes."""
    name, changes = f"project-{rockets.pk}", f"{ZEROS} {NEW} refs/heads/feature\n"
    store.increase(counter_key(name), 600)
    store.increase(counter_key(name), 600)
    first, again = (after(shell, name, {"x-request-id": "01H"}, changes=changes) for _ in range(2))
    assert first == again
    assert (PushEvent.objects.count(), store.number(counter_key(name))) == (1, 1)
    after(shell, name, {"x-request-id": "01J"}, changes=changes)
    after(shell, name, {"x-request-id": "01H"}, changes=changes + f"{OLD} {NEW} refs/heads/x\n")
    after(shell, name, changes=changes)
    after(shell, name, changes=changes)
    assert PushEvent.objects.count() == 5, "another request, other changes, and every call without an id"
    PushEvent.objects.update(created_at=timezone.now() - timedelta(minutes=11))
    after(shell, name, {"x-request-id": "01H"}, changes=changes)
    assert PushEvent.objects.count() == 6


CREATED, DELETED = f"{ZEROS} {NEW} refs/heads/mux\n", f"{NEW} {ZEROS} refs/heads/mux\n"


def moved(old: str, new: str) -> str:
    return f"{old * 40} {new * 40} refs/tags/latest\n"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([CREATED, DELETED] * 3, id="a branch that comes and goes"),
        pytest.param([moved("0", "a"), *[moved("a", "b"), moved("b", "a")] * 2], id="a tag that moves"),
        pytest.param([CREATED, DELETED + f"{OLD} {NEW} refs/heads/other\n", CREATED], id="beside another ref"),
    ],
)
def test_pushes_over_one_connection_are_pushes_of_their_own(
    shell: Client, key: SSHKey, rockets: Project, store: SharedStore, changes: list[str]
) -> None:
    """Decisions 16a: gitlab-sshd has one X-Request-Id for a connection; each push has its event, webhooks and end of the count."""
    name = f"project-{rockets.pk}"
    Webhook.objects.create(project=rockets, url="https://hooks.example.com/", push_events=True, tag_push_events=True)
    for lines in changes:
        before(shell, gl_repository=name)
        assert after(shell, name, {"x-request-id": "01H"}, identifier="key-11", changes=lines)["reference_counter_decreased"]
    events = list(PushEvent.objects.order_by("pk"))
    assert [event.changes for event in events] == [[line.split(" ") for line in lines.splitlines()] for lines in changes]
    assert store.number(counter_key(name)) == 0
    follow_project(rockets.pk)
    assert not PushEvent.objects.filter(followed_at=None).exists()
    told = WebhookDelivery.objects.order_by("pk").values_list("push_event", "ref")
    assert list(told) == [(event.pk, ref) for event in events for _, _, ref in event.changes]


def test_a_report_of_another_actor_is_another_push(shell: Client, key: SSHKey, rockets: Project, store: SharedStore) -> None:
    """Decisions 16a: the actor is part of what makes a repetition; nobody reads another's messages."""
    bob, name = UserFactory.create(username="bob"), f"project-{rockets.pk}"
    store.put(f"redirect_namespace:{key.user_id}:{name}", "for ann", 300)
    told = [
        after(shell, name, {"x-request-id": "01H"}, identifier=identifier, changes=CREATED)["messages"]
        for identifier in ("key-11", "key-11", f"user-{bob.pk}", f"user-{key.user_id}", "junk")
    ]
    assert PushEvent.objects.count() == 4, "a key is another actor than its owner"
    assert "for ann" in [message["message"] for message in told[0]]
    assert told[1] == told[0], "this one is a repetition"
    assert all("for ann" not in [message["message"] for message in messages] for messages in told[2:])


def test_a_fault_half_way_leaves_nothing_and_the_repeated_call_all(
    shell: Client, rockets: Project, store: SharedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decisions 16a: event, state and answer are one transaction, wherever the process is when it dies."""
    Project.objects.update(empty=True)
    shell.raise_request_exception = False
    body = {"gl_repository": f"project-{rockets.pk}", "changes": f"{ZEROS} {NEW} refs/heads/main\n"}
    with monkeypatch.context() as broken:
        broken.setattr("repositories.views.post_receive.messages_of", lambda *_: 1 / 0)
        response = shell.post("/api/v4/internal/post_receive", body, headers={"x-request-id": "01H"})
        assert response.status_code == 500
    assert (PushEvent.objects.count(), Project.objects.get().empty, ProtectedBranch.objects.count()) == (0, True, 0)
    after(shell, f"project-{rockets.pk}", {"x-request-id": "01H"}, changes=body["changes"])
    assert (PushEvent.objects.count(), Project.objects.get().empty, ProtectedBranch.objects.count()) == (1, False, 1)


def test_a_namespace_over_its_limit_takes_deletions_only(shell: Client, key: SSHKey, rockets: Project) -> None:
    """Decisions 10b: one boolean of the top-level namespace."""
    Namespace.objects.update(over_storage_limit=True, storage_limit=10 * 1024**3)
    status, message = answer(ask(shell, rockets, f"{ZEROS} {NEW} refs/heads/topic\n"))
    assert (status, (message or "").count("the namespace storage limit of 10 GiB has been reached")) == (401, 1)
    assert answer(ask(shell, rockets, f"{OLD} {ZEROS} refs/heads/topic\n")) == (200, None)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("earlier", ["none", "long ago", "overtaken"])
def test_of_the_same_call_made_at_once_one_counts(shell: Client, rockets: Project, earlier: str) -> None:
    name, token = f"project-{rockets.pk}", shell.defaults["HTTP_GITLAB_SHELL_API_REQUEST"]
    before_them = {"none": [], "long ago": [CREATED], "overtaken": [CREATED, DELETED]}[earlier]
    for changes in before_them:
        after(shell, name, {"x-request-id": "01H"}, changes=changes)
    if earlier == "long ago":
        PushEvent.objects.update(created_at=timezone.now() - timedelta(minutes=11))

    def call(_: int) -> Any:
        try:
            caller = Client(headers={"gitlab-shell-api-request": token})
            return after(caller, name, {"x-request-id": "01H"}, changes=CREATED)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(call, range(6)))
    assert all(one == answers[0] for one in answers)
    assert PushEvent.objects.count() == len(before_them) + 1


def test_a_push_asks_for_no_earlier_call(shell: Client, key: SSHKey, rockets: Project, store: SharedStore) -> None:
    """The same number of statements with an id, which nearly every call has, as without."""
    name, changes = f"project-{rockets.pk}", f"{ZEROS} {NEW} refs/heads/feature\n"
    after(shell, name, changes=changes)
    with CaptureQueriesContext(connection) as without:
        after(shell, name, changes=changes)
    with at_most(len(without)):
        after(shell, name, {"x-request-id": "01H"}, changes=changes)


@pytest.mark.parametrize(("branches", "default"), [(["main", "topic"], "main"), (["topic", "main"], "main"), (["trunk", "topic"], "trunk")])
def test_the_first_push_gives_the_project_its_branch(
    shell: Client, key: SSHKey, rockets: Project, store: SharedStore, branches: list[str], default: str
) -> None:
    """Decisions 16a, allowed 5.5: no longer empty, a default branch, and the rule of the defaults."""
    Project.objects.update(empty=True)
    Namespace.objects.filter(pk=rockets.namespace_id).update(default_branch_merge="developer")
    after(shell, f"project-{rockets.pk}", identifier="key-11", changes="".join(f"{ZEROS} {NEW} refs/heads/{name}\n" for name in branches))
    rockets.refresh_from_db()
    rule = ProtectedBranch.objects.get()
    assert (rockets.empty, rockets.default_branch, rule.name) == (False, default, default)
    assert set(rule.grants.values_list("kind", "access_level")) == {("push", 40), ("merge", 30)}
    after(shell, f"project-{rockets.pk}", changes=f"{ZEROS} {NEW} refs/heads/other\n")
    assert ProtectedBranch.objects.count() == 1


def test_a_wikis_push_leaves_the_project_alone(shell: Client, rockets: Project, store: SharedStore) -> None:
    """Allowed 10.14 #313."""
    Project.objects.update(empty=True)
    assert after(shell, f"wiki-{rockets.pk}", changes=f"{ZEROS} {NEW} refs/heads/main\n")["messages"] == []
    rockets.refresh_from_db()
    assert (rockets.empty, PushEvent.objects.get().gl_repository) == (True, f"wiki-{rockets.pk}")


def test_somebody_with_a_former_path_is_told_once(shell: Client, key: SSHKey, rockets: Project, ann: User, store: SharedStore) -> None:
    """Allowed 10.6 #130, 10.15 #379, #380, #382, #383."""
    add_redirect(rockets, "foo/bar")
    for project, kind, path, repository in [
        ("foo/bar.git", "Project", "foo/bar", "project"),
        ("foo/bar.wiki.git", "Project wiki", "foo/bar.wiki", "wiki"),
    ]:
        assert pushed(shell, project, user=ann).status_code == 200
        suffix = ".wiki" if repository == "wiki" else ""
        told = [after(shell, f"{repository}-{rockets.pk}", identifier=f"user-{ann.pk}")["messages"] for _ in range(2)]
        text = f"{kind} '{path}' was moved to 'acme/rockets{suffix}'.\n\nPlease update your Git remote:\n\n"
        address = f"ssh://git@localhost/acme/rockets{suffix}.git"
        assert told == [[{"message": f"{text}  git remote set-url origin {address}\n", "type": "basic"}], []]


def banner(message: str, **fields: Any) -> dict[str, Any]:
    return {"message": message, **fields}


@pytest.mark.parametrize(
    ("banners", "shown"),
    [
        pytest.param([banner("Hello")], "Hello", id="10.14 #326"),
        pytest.param([banner("Hello", show_in_cli=False)], None, id="not for the command line"),
        pytest.param([banner("a", target_path="/acme/rockets"), banner("b", target_path="/acme/rockets"), banner("c")], "b", id="#328"),
        pytest.param([banner("a", target_path="/other/*"), banner("c")], "c", id="#329"),
        pytest.param([banner("a", target_path="/acme/*")], "a", id="a pattern"),
        pytest.param([banner("a", target_path="acme/rockets")], "a", id="no leading slash"),
        pytest.param([banner("a", target_path="acme/r*/")], "a", id="a pattern without a leading slash"),
        pytest.param([banner("a", target_path="rockets")], None, id="not the whole path"),
        pytest.param(
            [banner("all"), banner("devs", roles=["developer", "maintainer"]), banner("guests", roles=["guest"])], "devs", id="#386"
        ),
        pytest.param([banner("all"), banner("guests", roles=["guest"])], "all", id="#388"),
        pytest.param([banner("past", ends_at="2020-01-01T00:00:00+00:00")], None, id="past"),
        pytest.param([banner("coming", starts_at="2090-01-01T00:00:00+00:00")], None, id="coming"),
    ],
)
def test_broadcasts(
    shell: Client, key: SSHKey, rockets: Project, store: SharedStore, banners: list[dict[str, Any]], shown: str | None
) -> None:
    """Allowed 7.5, 10.14; the pusher is a developer."""
    InstanceSettings(broadcasts=banners).save()
    told = after(shell, f"project-{rockets.pk}", identifier="key-11")["messages"]
    assert told == ([{"message": shown, "type": "alert"}] if shown else [])


def test_messages_come_in_the_contracts_order(shell: Client, key: SSHKey, rockets: Project, ann: User, store: SharedStore) -> None:
    """Allowed 7.5, decisions 19: broadcast, warning, links, moved."""
    InstanceSettings(broadcasts=[banner("Hello")], web_url="https://web.example.com").save()
    add_redirect(rockets, "foo/bar")
    pushed(shell, "foo/bar", user=ann)
    options = ["ci.skip", "merge_request.create", "mr.title=x", "mr.unknown", "nonsense"]
    changes = f"{ZEROS} {NEW} refs/heads/a\n{ZEROS} {NEW} refs/heads/b\n"
    told = after(shell, f"project-{rockets.pk}", identifier="key-11", changes=changes, push_options=options)["messages"]
    assert [(one["type"], one["message"].split("\n")[0]) for one in told] == [
        ("alert", "Hello"),
        ("alert", "WARNINGS:"),
        ("basic", "To create a merge request for a, visit:"),
        ("basic", "To create a merge request for b, visit:"),
        ("basic", "Project 'foo/bar' was moved to 'acme/rockets'."),
    ]
    quoted = "Error encountered with push options 'ci.skip' 'merge_request.create' 'mr.title=x' 'mr.unknown' 'nonsense'"
    assert told[1]["message"] == f"WARNINGS:\n{quoted}: Merge requests are not available on this server"


@pytest.mark.parametrize(
    ("options", "warned", "stored"),
    [
        pytest.param(["ci.skip", "another push option"], None, {"ci": {"skip": True}}, id="#320: no merge request option"),
        pytest.param(["merge_request.create"], "'merge_request.create': {}", {"merge_request": {"create": True}}, id="#322"),
        pytest.param(
            ["ci.skip", "merge_request.create"],
            "'ci.skip' 'merge_request.create': {}",
            {"ci": {"skip": True}, "merge_request": {"create": True}},
            id="every raw option is named",
        ),
        pytest.param(["merge_request.key=value", "merge_request"], None, {}, id="#346, #347"),
        pytest.param(
            ["merge_request . target = value1", "mr.target=value2"],
            "'merge_request . target = value1' 'mr.target=value2': {}",
            {"merge_request": {"target": "value2"}},
            id="#349, #350, #352",
        ),
        pytest.param(
            ["mr.title", "merge_request.create"],
            "'mr.title' 'merge_request.create': {}\n\nmerge_request.title needs a value",
            {"merge_request": {"create": True}},
            id="a title without text",
        ),
        pytest.param(
            ["mr.description=a\\nb", "mr.label=x", "mr.label=x"],
            "'mr.description=a\\nb' 'mr.label=x' 'mr.label=x': {}",
            {"merge_request": {"description": "a\nb", "label": {"x": 2}}},
            id="a description of two lines",
        ),
    ],
)
@pytest.mark.parametrize("repository", ["project", "wiki"])
def test_merge_request_options_are_stored_and_warned_of(
    shell: Client, rockets: Project, store: SharedStore, options: list[str], warned: str | None, stored: dict[str, Any], repository: str
) -> None:
    """Allowed 7.4, 10.14, decisions 19: merge requests are not kept here."""
    told = after(shell, f"{repository}-{rockets.pk}", push_options=options)["messages"]
    problem = {
        "project": "Merge requests are not available on this server",
        "wiki": "Push options are only supported for projects",
    }[repository]
    text = f"WARNINGS:\nError encountered with push options {warned.format(problem)}" if warned else ""
    assert told == ([{"message": text, "type": "alert"}] if text else [])
    assert PushEvent.objects.get().push_options == stored


def test_check_gitaly_tells_what_is_wrong(gitaly: FakeGitaly, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("check_gitaly")
    assert capsys.readouterr().out == f"default: well ({gitaly.address}, Gitaly 16.7.0-fake, git 2.39.0)\n"
    Storage.objects.create(name="other", gitaly_address=gitaly.address, gitaly_token="gitaly token")
    Storage.objects.create(name="third", gitaly_address="tcp://127.0.0.1:1")
    with pytest.raises(CommandError):
        call_command("check_gitaly", "--json")
    found = json.loads(capsys.readouterr().out)
    assert found["default"]["problem"] == ""
    assert found["other"]["problem"] == "Gitaly does not know a storage of this name."
    assert found["third"]["problem"].startswith("Gitaly is not available")
