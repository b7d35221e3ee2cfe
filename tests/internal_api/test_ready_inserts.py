"""Rows that are inserted by a statement compiled once are those that the ORM inserts."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.forms import model_to_dict
from django.utils import timezone
from django_tasks_db.models import DBTaskResult, get_date_max

from internal_api.ready_inserts import ReadyInsert
from repositories.models import DeliveryLane, PushEvent, Webhook, WebhookDelivery
from repositories.services.after_push import follow_push
from tests.factories import ProjectFactory
from tests.statements import at_most

pytestmark = pytest.mark.django_db
DELIVERIES = ReadyInsert(WebhookDelivery)
PAYLOAD = {"ref": "refs/heads/ä\u2028", "changes": [1, None, True, 0.5], "deep": {"'": '"%s'}}


def delivery(position: int) -> WebhookDelivery:
    """Of one push, in one lane; not saved."""
    event, lane = PushEvent.objects.get(), DeliveryLane.objects.get()
    return WebhookDelivery(lane=lane, push_event=event, position=position, event="push", ref="refs/heads/%s", payload=PAYLOAD)


@pytest.fixture(autouse=True)
def lane() -> DeliveryLane:
    project = ProjectFactory.create()
    PushEvent.objects.create(project=project, gl_repository=f"project-{project.pk}", changes=[])
    return DeliveryLane.objects.create(webhook=Webhook.objects.create(project=project, url="https://ci.example.com/"), project=project)


def test_rows_are_as_the_orm_writes_them() -> None:
    ours, theirs = delivery(0), delivery(1)
    DELIVERIES.insert([ours])
    theirs.save()
    first, second = WebhookDelivery.objects.order_by("position")
    differing = {"id", "position", "idempotency_key", "next_attempt_at", "created_at"}
    assert model_to_dict(first, exclude=differing) == model_to_dict(second, exclude=differing)
    assert first.payload == PAYLOAD
    assert (first.idempotency_key, first.created_at) == (ours.idempotency_key, ours.created_at)


def test_many_rows_are_one_statement_and_none_is_none() -> None:
    with at_most(0):
        DELIVERIES.insert([])
    rows = [delivery(position) for position in range(50)]
    with at_most(1):
        DELIVERIES.insert(rows)
    assert WebhookDelivery.objects.count() == 50


def test_constraints_hold() -> None:
    DELIVERIES.insert([delivery(0)])
    with pytest.raises(IntegrityError), transaction.atomic():
        DELIVERIES.insert([delivery(1), delivery(0)])
    assert WebhookDelivery.objects.count() == 1


def test_a_task_is_enqueued_as_the_package_does_it() -> None:
    """One statement; what the package's signal adds, a task without a time, included."""
    now = timezone.now()
    with at_most(1):
        result = follow_push.enqueue(7, request_id="abc")
    row = DBTaskResult.objects.get()
    assert (str(row.pk), row.status, row.args_kwargs) == (result.id, "READY", {"args": [7], "kwargs": {"request_id": "abc"}})
    assert (row.run_after, row.worker_ids, row.return_value, row.priority) == (get_date_max(), [], None, follow_push.priority)
    assert now <= row.enqueued_at <= timezone.now()
    assert (row.task_path, row.queue_name, row.backend_name) == (follow_push.module_path, "default", "default")
    later = now + timedelta(hours=1)
    assert DBTaskResult.objects.get(pk=follow_push.using(run_after=later).enqueue(8).id).run_after == later
