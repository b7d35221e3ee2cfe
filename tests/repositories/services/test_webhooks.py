"""What follows a push: activity, and webhooks that arrive, wait, are given up, and are switched off."""

import hashlib
import hmac
import itertools
import json
import tracemalloc
import uuid
from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import DataError, IntegrityError, connection, reset_queries
from django.db.migrations.executor import MigrationExecutor
from django.test import Client
from django.utils import timezone
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from accounts.models import SSHKey, User
from internal_api.models import AuditEvent
from internal_api.sweeps import sweep
from repositories.models import DeliveryLane, Namespace, Project, PushEvent, Webhook, WebhookDelivery
from repositories.selectors.webhooks import webhooks_of
from repositories.services import delivery_lanes, follow_up, webhook_deliveries, webhook_requests
from repositories.services.access import set_member
from repositories.services.after_push import follow_push
from repositories.services.protected_refs import protect_branch
from repositories.services.webhook_deliveries import deliver, retry, switch_on, wake_lanes
from tests.factories import GroupFactory, ProjectFactory, SSHKeyFactory
from tests.receiver import Receiver, answering, receiving
from tests.statements import at_most
from tests.tasks import run_tasks

ZEROS, OLD, NEW = "0" * 40, "d14d6c0abdd253381df51a723d58691b2ee1ab08", "570e7b2abdd848b95f2f578043fc23bd6f6fd24d"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_ALLOWED_TARGETS = ["127.0.0.1"]
    settings.WEBHOOK_TIMEOUT = 5
    with receiving() as running:
        yield running


@pytest.fixture
def key(ann: User, rockets: Project) -> SSHKey:
    set_member(rockets, ann, 30)
    return SSHKeyFactory.create(user=ann)


@pytest.fixture
def hook(rockets: Project, receiver: Receiver) -> Webhook:
    return Webhook.objects.create(project=rockets, url=receiver.url, token="the webhook token")


def push(shell: Client, key: SSHKey, *changes: str, project: Project | None = None, **values: Any) -> Any:
    lines = changes or (f"{OLD} {NEW} refs/heads/topic",)
    repository = f"project-{(project or Project.objects.get(path='rockets')).pk}"
    question = {"identifier": f"key-{key.pk}", "gl_repository": repository, "changes": "\n".join(lines), **values}
    return shell.post("/api/v4/internal/post_receive", question, content_type="application/json")


def event_of(project: Project, ref: str = "refs/heads/topic") -> PushEvent:
    changes = [[OLD, NEW, ref]]
    return PushEvent.objects.create(project=project, gl_repository=f"project-{project.pk}", changes=changes)


def later(seconds: float) -> None:
    """As if so much time had passed."""
    earlier = timedelta(seconds=seconds)
    for delivery in WebhookDelivery.objects.all():
        WebhookDelivery.objects.filter(pk=delivery.pk).update(next_attempt_at=delivery.next_attempt_at - earlier)
    for model, name in ((Webhook, "paused_until"), (DeliveryLane, "wake_at"), (DeliveryLane, "leased_until")):
        for row in model._default_manager.exclude(**{name: None}):  # noqa: SLF001  either model's
            type(row)._default_manager.filter(pk=row.pk).update(**{name: getattr(row, name) - earlier})  # noqa: SLF001  likewise
    sweep()


def test_a_push_to_a_branch_arrives_with_its_payload_and_headers(
    shell: Client, key: SSHKey, rockets: Project, hook: Webhook, receiver: Receiver, ann: User
) -> None:
    push(shell, key, push_options=["ci.skip", "mr.create"])
    assert not receiver.received, "the answer to the push does not wait for receivers"
    run_tasks()
    (received,) = receiver.received
    body = received.body
    web, ssh = "http://localhost:3001/acme/rockets", "ssh://git@localhost/acme/rockets.git"
    project = {
        "id": rockets.pk, "name": "rockets", "description": "", "web_url": web, "avatar_url": None, "git_ssh_url": ssh, "git_http_url": f"{web}.git",
        "namespace": "acme", "visibility_level": 0, "path_with_namespace": "acme/rockets", "default_branch": "main", "ci_config_path": None,
        "homepage": web, "url": ssh, "ssh_url": ssh, "http_url": f"{web}.git",
    }  # fmt: skip
    assert body == {
        "object_kind": "push", "event_name": "push", "before": OLD, "after": NEW, "ref": "refs/heads/topic", "ref_protected": False, "checkout_sha": NEW,
        "message": None, "user_id": ann.pk, "user_name": "Ann", "user_username": "ann", "user_email": "", "user_avatar": None, "project_id": rockets.pk,
        "project": project, "commits": [], "total_commits_count": 0, "push_options": {"ci": {"skip": True}, "merge_request": {"create": True}},
        "repository": {
            "name": "rockets", "url": ssh, "description": "", "homepage": web, "git_http_url": f"{web}.git", "git_ssh_url": ssh, "visibility_level": 0,
        },
    }  # fmt: skip
    headers = received.headers
    assert (headers["X-Gitlab-Event"], headers["X-Gitlab-Token"], headers["Content-Type"]) == (
        "Push Hook",
        "the webhook token",
        "application/json",
    )
    signature = hmac.new(b"the webhook token", received.raw, hashlib.sha256).hexdigest()
    assert headers["X-Hub-Signature-256"] == f"sha256={signature}"
    assert headers["X-Gitlab-Instance"] == "http://localhost:3001"
    assert headers["User-Agent"] == "GitLab/18.9.0"
    for name in ("Idempotency-Key", "X-Gitlab-Event-UUID", "X-Gitlab-Webhook-UUID"):
        uuid.UUID(headers[name])
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.response_status, delivery.response_body) == ("delivered", 1, 200, "thank you")
    assert str(delivery.idempotency_key) == headers["Idempotency-Key"]
    assert (delivery.duration_ms or 0) >= 0


def test_a_webhook_without_a_token_is_not_signed(shell: Client, key: SSHKey, hook: Webhook, receiver: Receiver) -> None:
    Webhook.objects.update(token=None)
    push(shell, key)
    run_tasks()
    assert not {"X-Gitlab-Token", "X-Hub-Signature-256"} & set(receiver.received[0].headers)


@pytest.mark.parametrize(
    ("change", "kind", "header", "checkout"),
    [
        (f"{ZEROS} {NEW} refs/heads/topic", "push", "Push Hook", NEW),
        (f"{OLD} {NEW} refs/heads/topic", "push", "Push Hook", NEW),
        (f"{OLD} {ZEROS} refs/heads/topic", "push", "Push Hook", None),
        (f"{ZEROS} {NEW} refs/tags/v1", "tag_push", "Tag Push Hook", NEW),
        (f"{OLD} {NEW} refs/tags/v1", "tag_push", "Tag Push Hook", NEW),
        (f"{OLD} {ZEROS} refs/tags/v1", "tag_push", "Tag Push Hook", None),
    ],
)
def test_new_updated_and_deleted_branches_and_tags(
    shell: Client, key: SSHKey, hook: Webhook, receiver: Receiver, change: str, kind: str, header: str, checkout: str | None
) -> None:
    push(shell, key, change)
    run_tasks()
    (received,) = receiver.received
    body = received.body
    assert (body["object_kind"], body["event_name"], received.headers["X-Gitlab-Event"]) == (kind, kind, header)
    assert (f"{body['before']} {body['after']} {body['ref']}", body["checkout_sha"]) == (change, checkout)


def test_webhooks_of_the_project_its_groups_and_the_instance_and_of_no_other(
    shell: Client, key: SSHKey, rockets: Project, acme: Namespace, receiver: Receiver
) -> None:
    other = GroupFactory.create(path="wiley")
    below = ProjectFactory.create(namespace=GroupFactory.create(path="tools", parent=acme), path="hammers")
    set_member(below, User.objects.get(username="ann"), 30)
    for name, place in (
        ("project", {"project": rockets}),
        ("group", {"namespace": acme}),
        ("other", {"namespace": other}),
        ("instance", {"instance": True}),
    ):
        Webhook.objects.create(url=f"{receiver.url}&{name}", **place)
    Webhook.objects.create(url=f"{receiver.url}&off", instance=True, active=False)
    push(shell, key)
    push(shell, key, project=below)
    run_tasks()
    told = sorted((received.body["project"]["path_with_namespace"], received.path.rpartition("&")[2]) for received in receiver.received)
    assert told == [
        ("acme/rockets", "group"),
        ("acme/rockets", "instance"),
        ("acme/rockets", "project"),
        ("acme/tools/hammers", "group"),
        ("acme/tools/hammers", "instance"),
    ]
    events = {received.path.rpartition("&")[2]: received.headers["X-Gitlab-Event"] for received in receiver.received}
    assert events == {"project": "Push Hook", "group": "Push Hook", "instance": "System Hook"}
    identifiers = {received.headers["X-Gitlab-Event-UUID"] for received in receiver.received}
    assert len(identifiers) == 2, "one event is one, whoever is told of it"


@pytest.mark.parametrize(
    ("branches", "tags", "refs"), [(True, False, ["refs/heads/a"]), (False, True, ["refs/tags/v1"]), (False, False, [])]
)
def test_a_webhook_gets_what_it_asked_for(
    shell: Client, key: SSHKey, hook: Webhook, receiver: Receiver, branches: bool, tags: bool, refs: list[str]
) -> None:
    Webhook.objects.update(push_events=branches, tag_push_events=tags)
    push(shell, key, f"{OLD} {NEW} refs/heads/a", f"{OLD} {NEW} refs/tags/v1", f"{OLD} {NEW} refs/keep-around/x")
    run_tasks()
    assert receiver.refs() == refs


@pytest.mark.parametrize(("number", "told"), [(3, 3), (4, 1), (1500, 1)])
def test_of_many_refs_there_is_one_summary(shell: Client, key: SSHKey, hook: Webhook, receiver: Receiver, number: int, told: int) -> None:
    push(shell, key, *(f"{ZEROS} {NEW} refs/heads/b{index}" for index in range(number)))
    run_tasks()
    assert len(receiver.received) == told
    if told == 1:
        body = receiver.received[0].body
        assert (body["event_name"], body["total_changes_count"]) == ("repository_update", number)
        assert len(body["changes"]) == len(body["refs"]) == min(number, 1000)
        assert body["changes"][1] == {"before": ZEROS, "after": NEW, "ref": "refs/heads/b1"}
        assert receiver.received[0].headers["X-Gitlab-Event"] == "Repository Update Hook"


def test_whether_the_ref_is_protected_is_told(shell: Client, key: SSHKey, rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    protect_branch(rockets, "release/*", {"push": [40], "merge": [40]})
    push(shell, key, f"{OLD} {NEW} refs/heads/release/1", f"{OLD} {NEW} refs/heads/topic")
    run_tasks()
    assert [received.body["ref_protected"] for received in receiver.received] == [True, False]


def test_a_push_to_a_wiki_tells_nobody(shell: Client, key: SSHKey, rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    push(shell, key, gl_repository=f"wiki-{rockets.pk}")
    run_tasks()
    assert not receiver.received
    assert PushEvent.objects.get().followed_at is not None


def test_project_and_user_were_active(shell: Client, key: SSHKey, rockets: Project, ann: User) -> None:
    User.objects.update(last_activity_on=None)
    push(shell, key)
    run_tasks()
    rockets.refresh_from_db()
    ann.refresh_from_db()
    event = PushEvent.objects.get()
    assert (rockets.last_activity_at, ann.last_activity_on) == (event.created_at, event.created_at.date())


@pytest.mark.parametrize("refs", [1, 1000])
def test_a_push_with_its_event_and_task_is_nine_statements(shell: Client, key: SSHKey, hook: Webhook, store: Any, refs: int) -> None:
    changes = [f"{ZEROS} {NEW} refs/heads/b{number}" for number in range(refs)]
    push(shell, key, *changes)
    asked = {"action": "git-receive-pack", "protocol": "ssh", "key_id": key.pk, "project": "acme/rockets", "changes": "\n".join(changes)}
    assert shell.post("/api/v4/internal/allowed", asked, content_type="application/json").status_code == 200
    with at_most(9):
        assert push(shell, key, *changes).status_code == 200
    assert DBTaskResult.objects.ready().count() == 2


def test_the_task_is_there_with_the_event_or_neither_is(
    shell: Client, key: SSHKey, rockets: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise OSError("the queue is away")

    monkeypatch.setattr(type(follow_push), "enqueue", broken)
    with pytest.raises(OSError, match="the queue is away"):
        push(shell, key)
    assert not PushEvent.objects.exists()


def test_a_task_run_twice_tells_once(shell: Client, key: SSHKey, hook: Webhook, receiver: Receiver) -> None:
    push(shell, key)
    event = PushEvent.objects.get()
    for _ in range(2):
        follow_push.call(event.pk, "")
    run_tasks()
    deliver.call(DeliveryLane.objects.get().pk)
    assert len(receiver.received) == 1


def test_pushes_are_told_in_their_order_whichever_task_comes_first(rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    events = [event_of(rockets, f"refs/heads/b{number}") for number in range(5)]
    follow_push.call(events[3].pk, "")
    run_tasks()
    assert receiver.refs() == [f"refs/heads/b{number}" for number in range(5)]


@pytest.mark.parametrize(("refs_at_once", "sizes"), [(20_000, [50, 50, 20]), (30, [30, 30, 30, 30])])
def test_many_waiting_pushes_are_followed_some_at_a_time_and_in_their_order(
    rockets: Project, hook: Webhook, monkeypatch: pytest.MonkeyPatch, refs_at_once: int, sizes: list[int]
) -> None:
    monkeypatch.setattr(follow_up, "REFS_AT_ONCE", refs_at_once)
    events = [event_of(rockets, f"refs/heads/b{number}") for number in range(120)]
    done, original = [0], follow_up._note_activity  # noqa: SLF001  called once in each transaction

    def note(project_id: int, followed: list[PushEvent]) -> None:
        done.append(done[-1] + len(followed))
        assert PushEvent.objects.exclude(followed_at=None).count() == done[-2], "the earlier ones are done"
        original(project_id, followed)

    monkeypatch.setattr(follow_up, "_note_activity", note)
    follow_push.call(events[0].pk, "")
    assert [after - before for before, after in itertools.pairwise(done)] == sizes
    assert not PushEvent.objects.filter(followed_at=None).exists()
    told = WebhookDelivery.objects.order_by("pk").values_list("push_event", "ref")
    assert list(told) == [(event.pk, f"refs/heads/b{number}") for number, event in enumerate(events)]


def test_waiting_pushes_of_many_refs_are_followed_in_bounded_memory(rockets: Project, hook: Webhook) -> None:
    """More pushes need no more memory: one of them is held at a time."""
    changes = [[ZEROS, NEW, f"refs/heads/b{number}"] for number in range(1000)]
    peaks = []
    for number in (10, 150):
        rows = [PushEvent(project=rockets, gl_repository=f"project-{rockets.pk}", changes=changes) for _ in range(number)]
        PushEvent.objects.bulk_create(rows, batch_size=10)
        del rows
        reset_queries()
        tracemalloc.start()
        try:
            follow_up.follow_project(rockets.pk)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert WebhookDelivery.objects.count() == 160
    assert peaks[1] < peaks[0] + 2_000_000, "150 pushes of 1,000 refs are more than 50 MB of objects"


def test_a_failure_is_tried_again_later_with_the_same_key(rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    receiver.answers = [500, 302]
    follow_push.call(event_of(rockets).pk, "")
    run_tasks()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.error) == ("waiting", 1, "The receiver answered 500.")
    assert timedelta(seconds=4) < delivery.next_attempt_at - timezone.now() < timedelta(seconds=11)
    sweep()
    assert run_tasks() == 0, "not before its time"
    later(12)
    run_tasks()
    assert WebhookDelivery.objects.get().error == "The receiver answered 302."
    later(25)
    run_tasks()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.error, delivery.response_status) == ("delivered", 3, "", 200)
    assert len({received.headers["Idempotency-Key"] for received in receiver.received}) == 1
    assert Webhook.objects.get().failures == 0


def test_others_go_on_while_one_waits(rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    receiver.answers = [500]
    for name in "ab":
        follow_push.call(event_of(rockets, f"refs/heads/{name}").pk, "")
    run_tasks()
    later(12)
    run_tasks()
    assert receiver.refs() == ["refs/heads/a", "refs/heads/b", "refs/heads/a"]


def test_who_has_failed_lets_others_go_first(rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    """What is tried again comes after what was never tried, whichever was due first."""
    for failures in (1, 0):
        other = Webhook.objects.create(project=rockets, url=f"{receiver.url}{failures}", failures=failures)
        DeliveryLane.objects.create(project=rockets, webhook=other, wake_at=timezone.now() - timedelta(minutes=5))
    DBTaskResult.objects.all().delete()
    assert wake_lanes(timezone.now()) == 2
    waiting = DBTaskResult.objects.order_by("-priority").values_list("args_kwargs", flat=True)
    lanes = [DeliveryLane.objects.get(pk=task["args"][0]) for task in waiting]
    assert [lane.webhook.failures for lane in lanes] == [0, 1]
    assert len(set(DBTaskResult.objects.values_list("priority", flat=True))) == 2


def test_a_delivery_is_given_up_after_twelve_attempts(rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    receiver.answers = [500] * 20
    follow_push.call(event_of(rockets).pk, "")
    run_tasks()
    for _ in range(15):
        later(4000)
        run_tasks()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts, len(receiver.received)) == ("failed", 12, 12)
    receiver.answers.clear()
    retry([delivery])
    later(1)
    later(4000)
    run_tasks()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts) == ("delivered", 1)


def test_after_four_failures_in_a_row_a_webhook_rests(rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    receiver.answers = [500] * 5
    for number in range(7):
        follow_push.call(event_of(rockets, f"refs/heads/b{number}").pk, "")
    run_tasks()
    assert len(receiver.received) == 5
    hook.refresh_from_db()
    assert hook.failures == 5
    assert hook.paused_until is not None
    sweep()
    assert run_tasks() == 0
    later(4000)
    run_tasks()
    assert len(receiver.received) == 12
    hook.refresh_from_db()
    assert hook.failures == 0
    assert not Webhook.objects.exclude(paused_until=None).exists()


def test_after_many_failures_a_webhook_is_switched_off_and_it_is_said(
    rockets: Project, hook: Webhook, receiver: Receiver, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.WEBHOOK_FAILURES = 3
    receiver.answers = [500] * 3
    for number in range(4):
        follow_push.call(event_of(rockets, f"refs/heads/b{number}").pk, "")
    run_tasks()
    hook.refresh_from_db()
    assert (hook.active, hook.switched_off_reason) == (False, "3 failures in a row. The last: The receiver answered 500.")
    assert AuditEvent.objects.get(action="webhook_switched_off").entity_id == hook.pk
    assert "is switched off" in caplog.text
    follow_push.call(event_of(rockets).pk, "")
    later(4000)
    run_tasks()
    assert (len(receiver.received), WebhookDelivery.objects.count()) == (3, 4), "nothing is sent and nothing piles up"
    switch_on(hook)
    later(0)
    run_tasks()
    assert receiver.refs()[3:] == [f"refs/heads/b{number}" for number in range(4)], "what has waited is delivered, in its order"


def test_one_worker_at_a_time_delivers_a_lane(rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    follow_push.call(event_of(rockets).pk, "")
    lane = DeliveryLane.objects.get()
    lease = delivery_lanes.take(lane.pk)  # as another worker
    assert lease is not None
    run_tasks()
    assert not receiver.received
    later(60)
    run_tasks()
    assert not receiver.received, "not yet"
    later(10)
    run_tasks()
    assert len(receiver.received) == 1, "its worker is taken for dead"


def test_what_is_owed_while_a_worker_is_at_it_is_delivered_by_the_same(rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    """Its own task finds the lane taken and leaves; the worker that has the lane must look again."""
    follow_push.call(event_of(rockets, "refs/heads/first").pk, "")
    lane = DeliveryLane.objects.get()
    lease = delivery_lanes.take(lane.pk)  # a worker
    assert lease is not None
    webhook_deliveries._drain(lane.pk, lease)  # noqa: SLF001  likewise
    follow_push.call(event_of(rockets, "refs/heads/second").pk, "")
    deliver.call(lane.pk)
    delivery_lanes.release(lane.pk, lease)  # likewise
    assert receiver.refs() == ["refs/heads/first"]
    lane.refresh_from_db()
    assert lane.wake_at is not None
    assert lane.wake_at <= timezone.now()


def test_a_long_queue_lets_others_go_first(rockets: Project, hook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook_deliveries, "TURN", 0.0)
    follow_push.call(event_of(rockets).pk, "")
    DBTaskResult.objects.all().delete()
    deliver.call(DeliveryLane.objects.get().pk)
    assert not receiver.received
    assert DBTaskResult.objects.ready().count() == 1


def test_a_target_inside_the_network_is_refused_at_each_delivery(
    rockets: Project, hook: Webhook, receiver: Receiver, settings: Settings
) -> None:
    settings.WEBHOOK_ALLOWED_TARGETS = []
    follow_push.call(event_of(rockets).pk, "")
    run_tasks()
    assert not receiver.received
    assert WebhookDelivery.objects.get().error == "The host 127.0.0.1 has an address inside the network, which is not allowed."


def test_no_secret_is_stored_in_the_clear_or_among_tasks(shell: Client, key: SSHKey, hook: Webhook, receiver: Receiver) -> None:
    receiver.headers = {"Set-Cookie": "session=secret"}
    push(shell, key)
    run_tasks()
    with connection.cursor() as cursor:
        cursor.execute("SELECT token FROM repositories_webhook")
        assert "the webhook token" not in cursor.fetchone()[0]
    kept = json.dumps([row.args_kwargs for row in DBTaskResult.objects.all()])
    kept += json.dumps(list(WebhookDelivery.objects.values("payload", "response_headers", "error")))
    assert "the webhook token" not in kept
    assert "session=secret" not in kept


def test_the_command_sends_a_sample(receiver: Receiver, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "the webhook token")
    out = StringIO()
    call_command("webhook_test", receiver.url, "--token-from", "HOOK_TOKEN", "--json", stdout=out)
    assert json.loads(out.getvalue())["status"] == 200
    assert receiver.received[0].headers["X-Gitlab-Token"] == "the webhook token"
    assert receiver.received[0].body["object_kind"] == "push"
    receiver.answers = [404]
    with pytest.raises(CommandError, match="The receiver answered 404"):
        call_command("webhook_test", receiver.url)
    with pytest.raises(CommandError, match="inside the network"):
        call_command("webhook_test", "http://10.0.0.1/")
    with pytest.raises(CommandError, match="HOOK_TOKE is not set"):
        call_command("webhook_test", receiver.url, "--token-from", "HOOK_TOKE")


@pytest.mark.parametrize("answer", [b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\n\r\n\0", b"HTTP/1.1 200 O\0K\r\nX\0: \0\r\n\r\n"])
def test_control_characters_of_an_answer_do_not_hold_a_delivery_up(rockets: Project, hook: Webhook, answer: bytes) -> None:
    with answering(answer) as url:
        Webhook.objects.update(url=url)
        follow_push.call(event_of(rockets).pk, "")
        run_tasks()
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.response_status, delivery.error) == ("delivered", 1, 200, "")


@pytest.mark.parametrize("answer", [b"HTTP\0garbage\r\n\r\n", b"HTTP/1.1 500 \0\r\nA: \0\r\n\r\n\0"])
def test_a_receiver_that_answers_garbage_is_switched_off_like_any_other(
    rockets: Project, hook: Webhook, settings: Settings, answer: bytes
) -> None:
    settings.WEBHOOK_FAILURES = 3
    with answering(answer) as url:
        Webhook.objects.update(url=url)
        for number in range(4):
            follow_push.call(event_of(rockets, f"refs/heads/b{number}").pk, "")
        run_tasks()
    hook.refresh_from_db()
    assert (hook.active, hook.failures) == (False, 3)
    assert [delivery.attempts for delivery in WebhookDelivery.objects.order_by("pk")] == [1, 1, 1, 0]
    assert not DBTaskResult.objects.failed().exists()


def test_an_answer_that_the_database_does_not_take_is_a_failure(
    rockets: Project, hook: Webhook, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Nothing of the kind is known; if it happens the webhook is switched off, and its deliveries are not sent again and again."""
    settings.WEBHOOK_FAILURES = 2
    original = webhook_deliveries._write  # noqa: SLF001  the database's part

    def refuse_answers(delivery: WebhookDelivery) -> None:
        if delivery.response_body:
            raise DataError("invalid byte sequence")
        original(delivery)

    monkeypatch.setattr(webhook_deliveries, "_write", refuse_answers)
    for number in range(3):
        follow_push.call(event_of(rockets, f"refs/heads/b{number}").pk, "")
    run_tasks()
    hook.refresh_from_db()
    assert (hook.active, len(receiver.received)) == (False, 2)
    assert WebhookDelivery.objects.order_by("pk")[0].error == "The answer cannot be kept."


def test_whatever_goes_wrong_while_sending_is_a_failure(
    rockets: Project, hook: Webhook, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("the webhook token")

    monkeypatch.setattr(webhook_requests, "headers_of", broken)
    for number in range(2):
        follow_push.call(event_of(rockets, f"refs/heads/b{number}").pk, "")
    run_tasks()
    hook.refresh_from_db()
    assert hook.failures == 2
    told = list(WebhookDelivery.objects.values_list("attempts", "error"))
    assert told == [(1, "The delivery cannot be sent: RuntimeError")] * 2
    assert "in broken" in caplog.text
    assert "the webhook token" not in caplog.text.replace('raise RuntimeError("the webhook token")', "")


def test_an_attempt_is_counted_before_it_is_made(rockets: Project, hook: Webhook, receiver: Receiver) -> None:
    """So that a delivery whose attempts all end their worker is given up too."""
    counted: list[int] = []
    receiver.before = lambda received: counted.append(1)
    follow_push.call(event_of(rockets).pk, "")
    lane, delivery = DeliveryLane.objects.get(), WebhookDelivery.objects.get()
    for _ in range(webhook_deliveries.TRIES):
        lease = delivery_lanes.take(lane.pk)  # a worker that dies while it sends
        assert lease is not None
        assert delivery_lanes.begin_attempt(lane.pk, lease, delivery)  # likewise
        DeliveryLane.objects.update(lease=None, leased_until=None)
    run_tasks()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.error, counted) == ("failed", "None of 12 attempts came to an end.", [])
    assert Webhook.objects.get().failures == 1


def test_a_worker_that_lost_its_lane_does_not_undo_what_another_delivered(
    rockets: Project, hook: Webhook, receiver: Receiver, settings: Settings
) -> None:
    follow_push.call(event_of(rockets).pk, "")
    slow = WebhookDelivery.objects.select_related("lane__webhook").get()
    lease = delivery_lanes.take(slow.lane_id)  # a worker that is stopped for longer than its lease
    assert lease is not None
    assert delivery_lanes.begin_attempt(slow.lane_id, lease, slow)  # likewise
    later(70)
    run_tasks()
    assert len(receiver.received) == 1
    receiver.answers = [500]
    webhook_deliveries._attempt(slow)  # noqa: SLF001  it goes on
    delivery = WebhookDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.error) == ("delivered", 2, "")
    assert Webhook.objects.get().failures == 0
    assert not delivery_lanes.begin_attempt(slow.lane_id, lease, slow)  # and finds the lane gone


def test_a_lease_lasts_longer_than_each_attempt_can(
    rockets: Project, hook: Webhook, receiver: Receiver, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    left: list[float] = []
    attempt = webhook_deliveries._attempt  # noqa: SLF001  what comes after the renewal

    def late(delivery: WebhookDelivery) -> None:
        """The attempt, after which the lease is about to run out."""
        until = DeliveryLane.objects.get().leased_until
        assert until is not None
        assert delivery.attempted_at is not None
        left.append((until - delivery.attempted_at).total_seconds())
        attempt(delivery)
        DeliveryLane.objects.update(leased_until=timezone.now() + timedelta(seconds=1))

    monkeypatch.setattr(webhook_deliveries, "_attempt", late)
    for number in range(3):
        follow_push.call(event_of(rockets, f"refs/heads/b{number}").pk, "")
    run_tasks()
    assert len(left) == len(receiver.received) == 3
    assert min(left) > settings.WEBHOOK_TIMEOUT + settings.WORKER_DEAD_AFTER - 1


def test_a_token_that_a_receiver_sends_back_is_not_kept(
    rockets: Project, hook: Webhook, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    receiver.headers, receiver.text = {"X-Echo": "the webhook token"}, "you sent the webhook token"
    receiver.answers = [500]
    follow_push.call(event_of(rockets).pk, "")
    run_tasks()
    with answering(b"HTTP the webhook token\r\n\r\n") as url:
        Webhook.objects.update(url=url)
        follow_push.call(event_of(rockets, "refs/heads/other").pk, "")
        run_tasks()
    delivery = WebhookDelivery.objects.order_by("pk")[0]
    assert (delivery.response_body, delivery.response_headers["X-Echo"]) == ("you sent [token]", "[token]")
    kept = json.dumps(list(WebhookDelivery.objects.values("response_headers", "response_body", "error")))
    assert "the webhook token" not in kept + caplog.text + Webhook.objects.get().switched_off_reason
    assert "attempt 1" in caplog.text


@pytest.mark.parametrize(
    "places",
    [(), ("project", "namespace"), ("project", "instance"), ("namespace", "instance"), ("project", "namespace", "instance")],
)
def test_a_webhook_is_of_one_place_and_of_the_instance_only_if_it_says_so(
    rockets: Project, acme: Namespace, places: tuple[str, ...]
) -> None:
    values: dict[str, Any] = {"project": rockets, "namespace": acme, "instance": True}
    hook = Webhook(url="https://ci.example.com/", **{name: values[name] for name in places})
    with pytest.raises(ValidationError, match="Choose a project, a group or the whole instance, one of them"):
        hook.full_clean()
    with pytest.raises(IntegrityError):
        hook.save()


@pytest.mark.django_db(transaction=True)
def test_webhooks_of_before_without_a_place_are_the_instances(rockets: Project) -> None:
    leaves = MigrationExecutor(connection).loader.graph.leaf_nodes()
    executor = MigrationExecutor(connection)
    executor.migrate([("repositories", "0006_pending_pushes")])
    try:
        model = executor.loader.project_state([("repositories", "0006_pending_pushes")]).apps.get_model("repositories", "Webhook")
        model.objects.create(url="https://ci.example.com/all")
        model.objects.create(url="https://ci.example.com/rockets", project_id=rockets.pk)
    finally:
        MigrationExecutor(connection).migrate(leaves)
    assert list(Webhook.objects.order_by("url").values_list("url", "instance")) == [
        ("https://ci.example.com/all", True),
        ("https://ci.example.com/rockets", False),
    ]
    assert [hook.url for hook in webhooks_of(rockets.pk)] == ["https://ci.example.com/all", "https://ci.example.com/rockets"]


@pytest.mark.parametrize(("hooks", "following"), [(0, 5), (1, 12), (3, 14)])
def test_what_a_push_and_its_deliveries_ask_does_not_grow(rockets: Project, receiver: Receiver, hooks: int, following: int) -> None:
    """SQL statements of a followed push, and of one delivery: taking the lane, the delivery, its attempt, its outcome, giving back."""
    for number in range(hooks):
        Webhook.objects.create(project=rockets, url=f"{receiver.url}&hook={number}")
    follow_push.call(event_of(rockets, "refs/heads/first").pk, "")  # makes the lanes
    run_tasks()
    event = event_of(rockets)
    Project.objects.update(empty=False, default_branch_is_provisional=False, size_is_due=True, size_measured_at=timezone.now())
    with at_most(following):
        follow_push.call(event.pk, "")
    for lane in DeliveryLane.objects.all():
        with at_most(7):
            deliver.call(lane.pk)
    assert len(receiver.received) == 2 * hooks
