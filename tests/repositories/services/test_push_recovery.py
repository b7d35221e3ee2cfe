"""Pushes whose report never came, or came late (contract: decisions 16b)."""

import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.db.models import F
from django.test import Client
from django.utils import timezone

from accounts.models import SSHKey, User
from internal_api.clean_up import clean_up
from internal_api.database_metrics import database_exposition
from internal_api.doctor import Consultation, examine
from internal_api.shared_store import SharedStore
from internal_api.sweeps import sweep
from repositories.models import PendingPush, Project, PushEvent, Storage, Webhook, WebhookDelivery
from repositories.policy.repository_path import relative_path
from repositories.services import push_recovery
from repositories.services.access import grant_deploy_key, set_member
from repositories.services.follow_up import follow_project
from repositories.services.push_recovery import recover_pushes
from repositories.services.reference_counters import counter_key
from repositories.services.repositories_at_gitaly import client_of
from tests.factories import DeployKeyFactory, SSHKeyFactory, UserFactory
from tests.gitaly_server import FakeGitaly, running
from tests.statements import at_most

ZEROS = "0" * 40
API = "/api/v4/internal"


class Repository:
    """A repository at Gitaly whose refs a test moves, and Gitaly's calls about it."""

    def __init__(self, bare: Path, shell: Client, gl_repository: str, key: SSHKey) -> None:
        self.bare, self.shell, self.gl_repository, self.key = bare, shell, gl_repository, key
        self.commits = [self._git("commit-tree", "-m", str(number), self._git("mktree")) for number in range(4)]

    def _git(self, *arguments: str) -> str:
        identity = ["-c", "user.name=ann", "-c", "user.email=ann@example.com"]
        command = ["git", "--git-dir", str(self.bare), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, input="").stdout.strip()

    def line(self, old: int | None, new: int | None, ref: str = "refs/heads/topic") -> str:
        """A change between two of the commits; None for no ref."""
        return " ".join([*(ZEROS if each is None else self.commits[each] for each in (old, new)), ref])

    def move(self, *lines: str) -> None:
        """What Git does between the hooks."""
        for line in lines:
            old, new, ref = line.split(" ")
            self._git("update-ref", ref, new, old) if new != ZEROS else self._git("update-ref", "-d", ref, old)

    def ask(self, endpoint: str, request_id: str, **values: Any) -> Any:
        body = {"gl_repository": self.gl_repository, **values}
        response = self.shell.post(f"{API}/{endpoint}", body, content_type="application/json", headers={"x-request-id": request_id})
        assert response.status_code == 200, response.content
        return response.json()

    def allow(self, *lines: str, request_id: str = "01H", counted: bool = True, **values: Any) -> PendingPush:
        """A push begins."""
        values = {"action": "git-receive-pack", "protocol": "ssh", "key_id": self.key.pk, "project": "/x", **values}
        self.ask("allowed", request_id, changes="".join(f"{line}\n" for line in lines), **values)
        if counted:
            self.ask("pre_receive", request_id)
        return PendingPush.objects.latest("pk")

    def report(self, *lines: str, request_id: str = "01H", **values: Any) -> Any:
        values = {"identifier": f"key-{self.key.pk}", **values}
        return self.ask("post_receive", request_id, changes="".join(f"{line}\n" for line in lines), **values)


@pytest.fixture
def gitaly(tmp_path: Path, db: None) -> Iterator[FakeGitaly]:
    with running(tmp_path / "storages", token="gitaly token") as server:
        Storage.objects.update_or_create(name="default", defaults={"gitaly_address": server.address, "gitaly_token": "gitaly token"})
        yield server


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    set_member(rockets, ann, 40)
    return SSHKeyFactory.create(user=ann)


@pytest.fixture
def repository(gitaly: FakeGitaly, shell: Client, key: SSHKey, rockets: Project, store: SharedStore) -> Repository:
    bare = gitaly.make(relative_path(rockets.pk, "project"))
    return Repository(bare, shell, f"project-{rockets.pk}", key)


def later(minutes: float = 5) -> int:
    """Let time pass, and sweep; how many were recovered."""
    passed = timedelta(minutes=minutes)
    PushEvent.objects.update(created_at=F("created_at") - passed, allowed_at=F("allowed_at") - passed)
    for note in PendingPush.objects.all():
        note.created_at -= passed
        note.due_at -= passed
        note.save()
    return recover_pushes(timezone.now())


def events() -> list[tuple[list[str], bool]]:
    """The lines of each event, and whether it was recovered."""
    return [([" ".join(line) for line in event.changes], event.recovered) for event in PushEvent.objects.order_by("pk")]


def under_way(store: SharedStore, repository: Repository) -> int:
    return store.number(counter_key(repository.gl_repository))


def test_a_push_that_is_allowed_is_noted_and_its_report_settles_it(repository: Repository, key: SSHKey, rockets: Project) -> None:
    line = repository.line(None, 0)
    note = repository.allow(line)
    assert (note.project, note.gl_repository, note.user_id, note.key_id) == (rockets, repository.gl_repository, key.user_id, key.pk)
    assert ([f"{change.oldrev} {change.newrev} {change.ref}" for change in note.changes], note.request_id) == ([line], "01H")
    assert note.due_at - note.created_at == timedelta(seconds=240)
    repository.report(line)
    assert not PendingPush.objects.exists()
    assert PushEvent.objects.get().allowed_at == note.created_at
    assert events() == [([line], False)]


def test_a_deploy_keys_push_is_settled_and_recovered(repository: Repository, ann: User, rockets: Project) -> None:
    deploy = DeployKeyFactory.create(owner=ann)
    grant_deploy_key(rockets, deploy, can_push=True)
    first, second = repository.line(None, 0), repository.line(0, 1)
    for line in (first, second):
        repository.allow(line, key_id=deploy.pk)
        repository.move(line)
    repository.report(first, identifier=f"key-{deploy.pk}")
    assert later() == 1
    assert events() == [([first], False), ([second], True)]
    assert set(PushEvent.objects.values_list("key_id", "identifier")) == {(deploy.pk, f"key-{deploy.pk}")}
    repository.report(second, identifier=f"key-{deploy.pk}")
    assert len(events()) == 2


def test_what_is_not_a_push_is_not_noted(shell: Client, repository: Repository, key: SSHKey) -> None:
    """Decisions 25: a pull writes nothing, nor does the question before the client has said what it pushes, nor a refusal."""
    values = {"protocol": "ssh", "key_id": key.pk, "project": "acme/rockets"}
    for action, changes in [("git-upload-pack", "_any"), ("git-receive-pack", "_any"), ("git-upload-pack", repository.line(None, 0))]:
        assert shell.post(f"{API}/allowed", {**values, "action": action, "changes": changes}).status_code == 200
    line = repository.line(0, None, "refs/heads/main")
    denied = shell.post(f"{API}/allowed", {**values, "action": "git-receive-pack", "changes": line})
    assert (denied.status_code, PendingPush.objects.count()) == (401, 0)


def test_noting_is_one_statement_more_and_settling_another(repository: Repository) -> None:
    for _ in range(2):  # the first time some things are read for the first time
        repository.allow(repository.line(None, 0))
        PendingPush.objects.all().delete()
    values = {"action": "git-receive-pack", "protocol": "ssh", "key_id": repository.key.pk, "project": "/x"}
    with at_most(2):
        repository.ask("allowed", "01H", changes=repository.line(None, 0), **values)


@pytest.mark.parametrize("lost", ["created", "moved", "deleted", "several"])
def test_a_push_that_moved_refs_gets_its_event(repository: Repository, rockets: Project, store: SharedStore, lost: str) -> None:
    """With what follows a push: activity, webhooks, and the end of the count."""
    Webhook.objects.create(project=rockets, url="https://hooks.example.com/", push_events=True, tag_push_events=True)
    repository.move(repository.line(None, 0), repository.line(None, 0, "refs/tags/v1"))
    lines = {
        "created": [repository.line(None, 1, "refs/heads/new")],
        "moved": [repository.line(0, 1)],
        "deleted": [repository.line(0, None)],
        "several": [repository.line(0, 1), repository.line(0, None, "refs/tags/v1"), repository.line(None, 2, "refs/tags/v2")],
    }[lost]
    repository.allow(*lines)
    repository.move(*lines)
    assert (later(minutes=3), events(), under_way(store, repository)) == (0, [], 1), "it may be under way"
    assert later(minutes=2) == 1
    assert events() == [(lines, True)]
    assert (PendingPush.objects.count(), under_way(store, repository)) == (0, 0)
    event = PushEvent.objects.get()
    assert (event.user_id, event.key_id, event.identifier) == (repository.key.user_id, repository.key.pk, f"key-{repository.key.pk}")
    follow_project(rockets.pk)
    told = WebhookDelivery.objects.order_by("pk").values_list("push_event", "ref")
    assert list(told) == [(event.pk, line.split(" ")[2]) for line in lines]


def test_a_push_that_did_not_happen_gets_none(repository: Repository, store: SharedStore) -> None:
    """It is asked about again for an hour, since hooks may take long, and is forgotten then. The count is right at once."""
    repository.allow(repository.line(None, 0))
    assert (later(), events(), under_way(store, repository)) == (0, [], 0)
    waits = []
    while (note := PendingPush.objects.first()) is not None:
        age = timezone.now() - note.created_at
        waits.append(round(age / timedelta(minutes=5)))
        later(minutes=age / timedelta(minutes=1) + 0.1)
    assert (waits, events()) == ([1, 2, 4, 8], [])


def test_a_push_whose_hooks_take_long_is_found_when_it_has_moved_its_refs(repository: Repository) -> None:
    line = repository.line(None, 0)
    repository.allow(line)
    assert later(minutes=6) == 0
    repository.move(line)
    assert later(minutes=7) == 1
    assert events() == [([line], True)]


def test_a_push_of_a_time_when_the_clock_was_ahead_is_not_put_off_for_as_long(repository: Repository) -> None:
    """It was noted as if a hundred days later, the clock was set right, and its report was lost."""
    line = repository.line(None, 0)
    note = repository.allow(line)
    repository.move(line)
    ahead = timedelta(days=100)
    PendingPush.objects.filter(pk=note.pk).update(created_at=note.created_at + ahead, due_at=note.due_at + ahead)
    sweep()
    assert events() == []
    assert later() == 1
    assert [changes for changes, recovered in events() if recovered] == [[line]]


def test_only_refs_that_moved_are_told(repository: Repository) -> None:
    """Git without --atomic moves some refs of a push and refuses others."""
    accepted, refused = repository.line(None, 0, "refs/heads/a"), repository.line(None, 0, "refs/heads/b")
    repository.allow(accepted, refused)
    repository.move(accepted)
    assert later() == 1
    assert events() == [([accepted], True)]
    assert [change.ref for change in PendingPush.objects.get().changes] == ["refs/heads/b"], "its hooks may be running"
    later(minutes=600)
    assert (events(), PendingPush.objects.count()) == ([([accepted], True)], 0)


def slow_push(repository: Repository, number: int = 4) -> list[str]:
    """A push whose hooks take long: half of its refs have moved when Gitaly is asked."""
    lines = [repository.line(None, 0, f"refs/heads/{position}") for position in range(number)]
    repository.allow(*lines)
    repository.move(*lines[: number // 2])
    assert later() == 1
    return lines


def test_what_moved_of_a_push_later_is_a_further_part_of_it(repository: Repository, rockets: Project) -> None:
    Webhook.objects.create(project=rockets, url="https://hooks.example.com/", push_events=True)
    lines = slow_push(repository)
    repository.move(lines[2])
    assert later(minutes=6) == 1
    repository.move(lines[3])
    assert later(minutes=12) == 1
    assert events() == [(lines[:2], True), ([lines[2]], True), ([lines[3]], True)]
    assert len(set(PushEvent.objects.values_list("allowed_at", "user", "key_id", "correlation_id"))) == 1
    assert not PendingPush.objects.exists()
    follow_project(rockets.pk)
    assert sorted(WebhookDelivery.objects.values_list("ref", flat=True)) == [line.split(" ")[2] for line in lines]


@pytest.mark.parametrize("parts", [1, 2])
def test_a_late_report_adds_what_the_parts_of_a_push_lack(repository: Repository, parts: int) -> None:
    """Once each, however many parts have their event; a repetition gets the same answer."""
    lines = slow_push(repository)
    repository.move(lines[2])
    assert parts == 1 or later(minutes=6) == 1
    repository.move(lines[3])
    answers = [repository.report(*lines, push_options=["ci.skip"]) for _ in range(2)]
    assert answers[0] == answers[1]
    recovered = [(lines[:2], True), ([lines[2]], True)][:parts]
    assert events() == [*recovered, (lines[1 + parts :], False)]
    assert not PendingPush.objects.exists()
    assert all(event.reported_late_at for event in PushEvent.objects.filter(recovered=True))
    later(minutes=600)
    assert len(events()) == parts + 1


def test_the_report_of_another_push_does_not_take_a_part(repository: Repository) -> None:
    """One connection, the same change of one ref again: the half-moved push is told as its own still."""
    lines = slow_push(repository)
    again = [repository.line(0, None, "refs/heads/0"), repository.line(None, 0, "refs/heads/0")]
    for line in again:
        repository.allow(line)
        repository.move(line)
        repository.report(line)
    repository.move(*lines[2:])
    assert later(minutes=6) == 1
    assert events() == [(lines[:2], True), *(([line], False) for line in again), (lines[2:], True)]


def test_a_report_of_some_refs_settles_the_push(repository: Repository) -> None:
    accepted, refused = repository.line(None, 0, "refs/heads/a"), repository.line(None, 0, "refs/heads/b")
    repository.allow(accepted, refused)
    repository.move(accepted)
    repository.report(accepted)
    assert (PendingPush.objects.count(), later(), events()) == (0, 0, [([accepted], False)])


def test_events_are_made_in_the_order_of_the_pushes(repository: Repository) -> None:
    """Over one connection, with one X-Request-Id: create, delete, create, of which one was reported."""
    create, delete = repository.line(None, 0), repository.line(0, None)
    for number, line in enumerate([create, delete, create, delete, create]):
        repository.allow(line)
        repository.move(line)
        if number == 3:
            repository.report(line)
    assert later() == 4
    assert events() == [([delete], False), ([create], True), ([delete], True), ([create], True), ([create], True)]


def test_a_later_push_shows_that_an_earlier_one_moved_its_ref(repository: Repository) -> None:
    first, second = repository.line(None, 0), repository.line(0, 1)
    repository.allow(first, request_id="01H")
    repository.move(first)
    repository.allow(second, request_id="01J")
    repository.move(second)
    repository.report(second, request_id="01J")
    assert later() == 1
    assert events() == [([second], False), ([first], True)]


def lose(repository: Repository, line: str, request_id: str = "01H") -> None:
    """A push whose report is lost."""
    repository.allow(line, request_id=request_id)
    repository.move(line)


@pytest.mark.parametrize("middle", ["forced update", "deletion"])
def test_a_lost_push_after_one_that_was_recovered_meanwhile_is_recovered_too(repository: Repository, middle: str) -> None:
    """The recovered event is written after the later push was allowed, and happened before the move between the two."""
    other = 1 if middle == "forced update" else None
    first, between, third = repository.line(None, 0), repository.line(0, other), repository.line(other, 0)
    lose(repository, first)
    later(minutes=1)
    lose(repository, between)
    repository.report(between)
    later(minutes=1)
    lose(repository, third)
    assert later(minutes=3) == 1
    assert events() == [([between], False), ([first], True)]
    assert later(minutes=2) == 1
    assert events() == [([between], False), ([first], True), ([third], True)]


def test_the_last_move_of_a_ref_is_not_the_one_that_was_written_last(repository: Repository) -> None:
    """The same with everything recovered before the last push begins."""
    first, between, third = repository.line(None, 0), repository.line(0, 1), repository.line(1, 0)
    lose(repository, first)
    lose(repository, between)
    repository.report(between)
    assert later() == 1
    repository.allow(between, request_id="01J")  # it lost a race against the one of the same change
    lose(repository, third, request_id="01K")
    assert later() == 1
    assert events() == [([between], False), ([first], True), ([third], True)]


def test_a_repeated_report_stays_one_though_an_earlier_push_was_recovered_meanwhile(repository: Repository) -> None:
    """Contract: decisions 16a. The recovered event is written later and happened earlier."""
    create, delete = repository.line(None, 0), repository.line(0, None)
    lose(repository, create, request_id="01H")
    later(minutes=1)
    lose(repository, delete, request_id="01J")
    answer = repository.report(delete, request_id="01J")
    assert later(minutes=4) == 1
    assert repository.report(delete, request_id="01J") == answer
    assert events() == [([delete], False), ([create], True)]


def test_one_that_lost_a_race_is_no_push(repository: Repository) -> None:
    """Two push the same; Git takes one, of which the report came."""
    line = repository.line(None, 0)
    repository.allow(line, request_id="01H")
    repository.allow(line, request_id="01J")
    repository.move(line)
    repository.report(line, request_id="01J")
    assert (later(), events()) == (0, [([line], False)])


def test_a_wikis_push_is_recovered_too(gitaly: FakeGitaly, shell: Client, key: SSHKey, rockets: Project, store: SharedStore) -> None:
    wiki = Repository(gitaly.make(relative_path(rockets.pk, "wiki")), shell, f"wiki-{rockets.pk}", key)
    line = wiki.line(None, 0, "refs/heads/main")
    wiki.allow(line)
    wiki.move(line)
    assert later() == 1
    assert PushEvent.objects.get().gl_repository == f"wiki-{rockets.pk}"


@pytest.mark.parametrize("fault", ["away", "token", "missing"])
def test_while_gitaly_does_not_answer_nothing_is_concluded(
    repository: Repository, gitaly: FakeGitaly, rockets: Project, fault: str, caplog: pytest.LogCaptureFixture
) -> None:
    line = repository.line(None, 0)
    repository.allow(line)
    repository.move(line)
    address = gitaly.address
    match fault:
        case "away":
            Storage.objects.update(gitaly_address="tcp://127.0.0.1:1")
        case "token":
            gitaly.token = "another"
        case _:
            repository.bare.rename(repository.bare.with_suffix(".moved"))
    assert (later(), later(minutes=60), later(minutes=600), events()) == (0, 0, 0, [])
    assert "Gitaly could not be asked" in caplog.text
    Storage.objects.update(gitaly_address=address)
    gitaly.token = "gitaly token"
    if fault == "missing":
        repository.bare.with_suffix(".moved").rename(repository.bare)
    assert later(minutes=1) == 1
    assert events() == [([line], True)]


@pytest.mark.parametrize("moved", ["all", "some"])
def test_a_late_report_finds_the_recovered_event(repository: Repository, moved: str) -> None:
    """Once for each ref, whatever of the push had happened when Gitaly was asked; a repetition gets the same answer."""
    first, second = repository.line(None, 0, "refs/heads/a"), repository.line(None, 0, "refs/heads/b")
    repository.allow(first, second)
    repository.move(first, *([second] if moved == "all" else []))
    assert later() == 1
    repository.move(*([] if moved == "all" else [second]))
    answers = [repository.report(first, second, push_options=["ci.skip"]) for _ in range(2)]
    assert answers[0] == answers[1]
    assert events() == ([([first, second], True)] if moved == "all" else [([first], True), ([second], False)])
    event = PushEvent.objects.earliest("pk")
    assert event.reported_late_at is not None
    assert event.push_options == {"ci": {"skip": True}}


def test_another_push_of_the_connection_does_not_take_a_recovered_event(repository: Repository) -> None:
    create, delete = repository.line(None, 0), repository.line(0, None)
    repository.allow(create)
    repository.move(create)
    assert later() == 1
    for line in (delete, create):
        repository.allow(line)
        repository.move(line)
        repository.report(line)
    assert events() == [([create], True), ([delete], False), ([create], False)]


def test_a_late_report_is_not_taken_for_an_earlier_try_that_git_refused(repository: Repository) -> None:
    """Tried twice over one connection: the first try is noted still, the second one recovered when its report arrives."""
    line = repository.line(None, 0)
    repository.allow(line)
    later(minutes=1)
    repository.allow(line)
    repository.move(line)
    assert later() == 1
    assert PendingPush.objects.count() == 1
    repository.report(line)
    assert events() == [([line], True)]
    assert later(minutes=600) == 0
    assert events() == [([line], True)]


def test_a_late_report_is_not_taken_for_a_push_of_more_refs(repository: Repository) -> None:
    """Of two pushes of one connection with a change in common the report is about the one with just these changes."""
    both = [repository.line(None, 0), repository.line(None, 0, "refs/tags/v1")]
    repository.allow(*both)
    later(minutes=1)
    repository.allow(both[0])
    repository.move(both[0])
    assert later() == 1
    repository.report(both[0])
    assert events() == [([both[0]], True)]


def test_nothing_is_concluded_from_what_moved_while_gitaly_was_asked(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same change again, allowed, made and reported between what was read and what Gitaly said."""
    line = repository.line(None, 0)
    repository.allow(line, request_id="01H")
    asked = client_of

    def meanwhile(project: Project) -> Any:
        if not PushEvent.objects.exists():
            repository.allow(line, request_id="01J")
            repository.move(line)
            repository.report(line, request_id="01J")
        return asked(project)

    monkeypatch.setattr(push_recovery, "client_of", meanwhile)
    assert later() == 0
    assert recover_pushes(timezone.now()) == 0
    assert events() == [([line], False)]


def test_a_push_of_many_refs(repository: Repository) -> None:
    """More refs than are asked about one by one."""
    lines = [repository.line(None, 0, f"refs/tags/v{number}") for number in range(5200)]
    repository.allow(*lines)
    text = "".join(f"create {line.split(' ')[2]} {line.split(' ')[1]}\n" for line in lines[:5199])
    subprocess.run(["git", "--git-dir", str(repository.bare), "update-ref", "--stdin"], input=text, text=True, check=True)
    assert len(bytes(PendingPush.objects.get().packed_changes)) < 60_000
    assert later() == 1
    assert len(PushEvent.objects.get().changes) == 5199


def test_names_that_are_not_gits_are_not_guessed(repository: Repository) -> None:
    """Gitaly replaces bytes that are not UTF-8: whether such a ref was deleted cannot be asked."""
    repository.allow(repository.line(0, None, "refs/heads/\N{REPLACEMENT CHARACTER}"), repository.line(0, None, "gone"))
    assert (later(), events()) == (0, [])


def test_pushes_of_a_deleted_user_are_recovered_without_them(repository: Repository, rockets: Project) -> None:
    bob = UserFactory.create(username="bob")
    set_member(rockets, bob, 40)
    line = repository.line(None, 0)
    repository.allow(line, key_id=None, user_id=bob.pk)
    repository.move(line)
    bob.delete()
    assert later() == 1
    event = PushEvent.objects.get()
    assert (event.user, event.key_id) == (None, None)


def test_operators_see_what_waits_and_what_was_recovered(repository: Repository) -> None:
    """The doctor, the metrics and, in test_admin_site, the admin site."""
    line = repository.line(None, 0)
    repository.allow(line)
    repository.move(line)

    def told() -> str:
        return next(finding.text for finding in examine(Consultation(seconds=1)) if finding.name == "unreported pushes")

    assert told() == "1 pushes are allowed and not reported yet, none is overdue"
    PendingPush.objects.update(created_at=timezone.now() - timedelta(hours=2), due_at=timezone.now() - timedelta(hours=1))
    assert told() == "1 pushes were not reported and not looked at, the oldest was allowed 2.0 hours ago"
    metrics = database_exposition().decode()
    assert "internal_api_pending_pushes 1.0" in metrics
    assert "internal_api_pending_push_oldest_seconds 72" in metrics
    recover_pushes(timezone.now())
    metrics = database_exposition().decode()
    assert "internal_api_pending_pushes 0.0" in metrics
    assert "internal_api_recovered_pushes 1.0" in metrics


def test_clean_up_removes_what_could_never_be_asked_about(repository: Repository) -> None:
    repository.allow(repository.line(None, 0))
    repository.allow(repository.line(None, 1))
    PendingPush.objects.filter(pk=PendingPush.objects.latest("pk").pk).update(created_at=timezone.now() - timedelta(days=31))
    assert clean_up()["pending pushes"] == 1
    assert PendingPush.objects.count() == 1


def test_workers_sweep(repository: Repository) -> None:
    line = repository.line(None, 0)
    repository.allow(line)
    repository.move(line)
    PendingPush.objects.update(due_at=timezone.now())
    assert sweep().get("pushes that were not reported") == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("attempt", range(5))
@pytest.mark.parametrize("half", [False, True], ids=["moved", "half moved"])
def test_of_a_late_report_and_workers_at_once_one_makes_the_event(repository: Repository, attempt: int, half: bool) -> None:
    """A report says that the whole push is over, whatever of it Gitaly has told of."""
    line, rest = repository.line(None, 0), repository.line(None, 0, "refs/heads/rest")
    lines = [line, rest] if half else [line]
    repository.allow(*lines)
    repository.move(line)
    PendingPush.objects.update(due_at=timezone.now(), created_at=timezone.now() - timedelta(minutes=5))
    together = threading.Barrier(6)
    token = repository.shell.defaults["HTTP_GITLAB_SHELL_API_REQUEST"]

    def step(number: int) -> Any:
        together.wait(60)
        try:
            if number % 2:
                return recover_pushes(timezone.now())
            caller = Client(headers={"gitlab-shell-api-request": token})
            mine = Repository.__new__(Repository)
            mine.shell, mine.gl_repository, mine.key = caller, repository.gl_repository, repository.key
            return mine.report(*lines)
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(step, range(6)))
    assert sorted(line for written, _ in events() for line in written) == sorted(lines)
    assert not PendingPush.objects.exists()
