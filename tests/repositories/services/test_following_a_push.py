"""One push can be followed by its X-Request-Id: event, tasks, deliveries, the worker's lines, and what the receiver gets."""

import io
import json
import logging
from collections.abc import Iterator

import pytest
from django.core.management import call_command
from django.test import Client
from django_tasks_db.models import DBTaskResult
from pytest_django.fixtures import Settings

from accounts.models import SSHKey, User
from internal_api.logs import JSONFormatter
from repositories.models import Project, PushEvent, Webhook, WebhookDelivery
from repositories.services.access import set_member
from tests.factories import SSHKeyFactory
from tests.receiver import Receiver, receiving

CHANGES = f"{'0' * 40} {'a' * 40} refs/heads/topic"


@pytest.fixture
def receiver(settings: Settings) -> Iterator[Receiver]:
    settings.WEBHOOK_ALLOWED_TARGETS = ["127.0.0.1"]
    with receiving() as running:
        yield running


@pytest.fixture
def key(ann: User, rockets: Project, receiver: Receiver) -> SSHKey:
    set_member(rockets, ann, 30)
    Webhook.objects.create(project=rockets, url=receiver.url, token="the webhook token")
    return SSHKeyFactory.create(user=ann)


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """What is logged, as a log collector reads it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    loggers = [logging.getLogger(name) for name in ("", "django_tasks")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel("INFO")
    yield stream
    for logger in loggers:
        logger.removeHandler(handler)
        logger.setLevel("NOTSET" if logger.name != "root" else "WARNING")


@pytest.mark.django_db(transaction=True)
def test_the_request_id_goes_with_a_push_to_its_end(
    shell: Client, key: SSHKey, rockets: Project, receiver: Receiver, lines: io.StringIO
) -> None:
    values = {"gl_repository": f"project-{rockets.pk}", "identifier": f"key-{key.pk}", "changes": CHANGES}
    answer = shell.post("/api/v4/internal/post_receive", values, content_type="application/json", headers={"x-request-id": "01HXYZ"})
    assert answer.status_code == 200
    lines.truncate(0)
    lines.seek(0)
    call_command("db_worker", batch=True, interval=0, startup_delay=False)
    assert PushEvent.objects.get().correlation_id == "01HXYZ"
    assert WebhookDelivery.objects.get().correlation_id == "01HXYZ"
    assert {task.args_kwargs["kwargs"]["request_id"] for task in DBTaskResult.objects.all()} == {"01HXYZ"}
    (received,) = receiver.received
    assert received.headers["X-Request-Id"] == "01HXYZ"
    assert "traceparent" not in received.headers
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    of_push = [line["message"] for line in told if line.get("correlation_id") == "01HXYZ"]
    for task in DBTaskResult.objects.all():
        for state in ("RUNNING", "SUCCESSFUL"):
            assert f"Task id={task.pk} path={task.task_path} state={state}" in of_push
    (delivered,) = (line for line in told if line["message"] == "A webhook was delivered")
    wanted = {"project": rockets.pk, "status": 200, "attempt": 1, "push_event": PushEvent.objects.get().pk, "correlation_id": "01HXYZ"}
    assert {name: delivered[name] for name in wanted} == wanted
    assert "the webhook token" not in lines.getvalue()


@pytest.mark.django_db(transaction=True)
def test_deliveries_of_several_pushes_in_one_lane_keep_their_ids_apart(
    shell: Client, key: SSHKey, rockets: Project, receiver: Receiver, lines: io.StringIO
) -> None:
    for number in range(3):
        values = {
            "gl_repository": f"project-{rockets.pk}",
            "identifier": f"key-{key.pk}",
            "changes": f"{'0' * 40} {number + 1:040x} refs/heads/b{number}",
        }
        shell.post("/api/v4/internal/post_receive", values, content_type="application/json", headers={"x-request-id": f"push-{number}"})
    call_command("db_worker", batch=True, interval=0, startup_delay=False)
    assert [(one.headers["X-Request-Id"], one.body["ref"]) for one in receiver.received] == [
        (f"push-{number}", f"refs/heads/b{number}") for number in range(3)
    ]
    told = [json.loads(line) for line in lines.getvalue().splitlines()]
    delivered = [line["correlation_id"] for line in told if line["message"] == "A webhook was delivered"]
    assert delivered == ["push-0", "push-1", "push-2"]
