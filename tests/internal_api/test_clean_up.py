"""The command that removes what has expired."""

import json
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import call_command
from django.utils import timezone
from django_tasks_db.models import DBTaskResult

from internal_api.clean_up import delete_in_batches
from internal_api.models import AuditEvent, SharedValue
from repositories.models import DeliveryLane, Project, PushEvent, Refusal, Webhook, WebhookDelivery
from repositories.services.after_push import follow_push


def cleaned() -> Any:
    out = StringIO()
    call_command("clean_up", "--json", stdout=out)
    return json.loads(out.getvalue())


def test_what_has_expired_goes_and_the_rest_stays(db: None, settings: Any) -> None:
    settings.REFUSALS_KEPT = 3
    now = timezone.now()
    for minutes in (-1, 1):
        SharedValue.objects.create(key=f"key {minutes}", expires_at=now + timedelta(minutes=minutes))
        Session.objects.create(session_key=f"session {minutes}", session_data="", expire_date=now + timedelta(minutes=minutes))
    for days in (364, 366):
        AuditEvent.objects.create(action="x", created_at=now - timedelta(days=days))
        PushEvent.objects.create(gl_repository="project-1", created_at=now - timedelta(days=days))
    refusals = [Refusal.objects.create(action="x", reason="blocked") for _ in range(5)]
    removed = cleaned()
    expected = {"audit events": 1, "push events": 1, "refusals": 2, "sessions": 1, "shared values": 1}
    assert {name: removed[name] for name in expected} == expected
    assert SharedValue.objects.get().key == "key 1"
    assert Session.objects.get().session_key == "session 1"
    assert AuditEvent.objects.filter(action="x").count() == PushEvent.objects.count() == 1
    event = AuditEvent.objects.get(action="expired_rows_removed")
    assert (event.actor_kind, event.operation, event.details) == ("command", "clean_up", expected)
    assert set(Refusal.objects.values_list("pk", flat=True)) == {row.pk for row in refusals[2:]}
    assert not any(cleaned().values())


def test_nought_keeps_everything(db: None, settings: Any) -> None:
    settings.AUDIT_EVENT_RETENTION_DAYS = settings.PUSH_EVENT_RETENTION_DAYS = settings.REFUSALS_KEPT = 0
    long_ago = timezone.now() - timedelta(days=10_000)
    AuditEvent.objects.create(action="x", created_at=long_ago)
    PushEvent.objects.create(gl_repository="project-1", created_at=long_ago)
    Refusal.objects.create(action="x", reason="blocked", created_at=long_ago)
    assert not any(cleaned().values())


@pytest.mark.parametrize(("rows", "statements"), [(0, 3), (5, 12), (4, 11)])
def test_rows_go_a_batch_at_a_time(db: None, rows: int, statements: int, django_assert_max_num_queries: Any) -> None:
    Refusal.objects.bulk_create(Refusal(action="x", reason="blocked") for _ in range(rows))
    with django_assert_max_num_queries(statements):
        assert delete_in_batches(Refusal.objects.all(), batch=2) == rows
    assert not Refusal.objects.exists()


def test_it_is_told_in_lines(db: None) -> None:
    out = StringIO()
    call_command("clean_up", stdout=out)
    assert "shared values: 0\n" in out.getvalue() + "\n"


def test_old_deliveries_and_task_results_go(db: None, rockets: Project) -> None:
    now = timezone.now()
    lane = DeliveryLane.objects.create(webhook=Webhook.objects.create(url="https://x/", instance=True), project=rockets)
    event = PushEvent.objects.create(project=rockets, gl_repository="project-1")
    for position, days in enumerate((29, 31)):
        created = now - timedelta(days=days)
        WebhookDelivery.objects.create(lane=lane, push_event=event, position=position, event="push", payload={}, created_at=created)
    for days in (6, 8):
        result = follow_push.enqueue(event.pk, "")
        DBTaskResult.objects.filter(pk=result.id).update(status="SUCCESSFUL", finished_at=now - timedelta(days=days))
    follow_push.enqueue(event.pk, "")
    removed = cleaned()
    assert (removed["webhook deliveries"], removed["task results"]) == (1, 1)
    assert (WebhookDelivery.objects.count(), DBTaskResult.objects.count()) == (1, 2)
