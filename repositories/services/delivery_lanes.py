"""The lanes of webhook deliveries: leased to one worker at a time, and looked at again in time.

A lane holds the deliveries of one project to one webhook, which are made in order. A worker leases it
for longer than an attempt can last. The lease of a worker that has died ends by itself;
`wake_lanes` of `webhook_deliveries` then sets the lane going again. What each delivery asks is
written as SQL: built by the ORM each time, it would cost more than the delivery itself.
"""

import uuid
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import BigIntegerField, DateTimeField, Q, QuerySet
from django.utils import timezone

from internal_api.ready_queries import Given, ReadyQuery
from internal_api.statements import moment
from internal_api.stored_values import column
from repositories.models import DeliveryLane, DeliveryState, WebhookDelivery

_SLACK = 5.0
"""Seconds that a lease has to last beyond the longest attempt; else it is renewed first."""
_TAKE = """
UPDATE repositories_deliverylane SET lease = %(lease)s, leased_until = %(end)s, wake_at = %(end)s
WHERE id = %(lane)s AND (leased_until IS NULL OR leased_until <= %(now)s)"""
_RENEW = """
UPDATE repositories_deliverylane SET leased_until = %(end)s, wake_at = %(end)s
WHERE id = %(lane)s AND lease = %(lease)s"""
# Counted while the lease lasts, in one statement: a worker that has lost the lane counts nothing.
_COUNT_ATTEMPT = """
UPDATE repositories_webhookdelivery SET attempts = attempts + 1, attempted_at = %(now)s
WHERE id = %(delivery)s AND EXISTS (
    SELECT 1 FROM repositories_deliverylane l
    WHERE l.id = %(lane)s AND l.lease = %(lease)s AND l.leased_until >= %(enough)s)"""
# Woken when the next delivery is due and its webhook has rested; never while nothing waits.
_RELEASE = """
UPDATE repositories_deliverylane SET lease = NULL, leased_until = NULL, wake_at = (
    SELECT CASE WHEN w.paused_until > MIN(d.next_attempt_at) THEN w.paused_until
                ELSE MIN(d.next_attempt_at) END
    FROM repositories_webhookdelivery d
    JOIN repositories_webhook w ON w.id = repositories_deliverylane.webhook_id
    WHERE d.lane_id = repositories_deliverylane.id AND d.state = 'waiting' AND w.active
    GROUP BY w.paused_until)
WHERE id = %(lane)s AND lease = %(lease)s"""


def take(lane_id: int) -> uuid.UUID | None:
    """Lease a lane; None while another worker has it."""
    lease = uuid.uuid4()
    now = timezone.now()
    params = {"lane": lane_id, "lease": _stored(lease), "end": _end(now), "now": moment(now)}
    return lease if _changed(_TAKE, params) else None


def begin_attempt(lane_id: int, lease: uuid.UUID, delivery: WebhookDelivery) -> bool:
    """Count an attempt before it is made; false when the lease has gone to another worker.

    The lease lasts longer than the attempt can, or is renewed first.
    """
    delivery.attempted_at = now = timezone.now()
    enough = now + timedelta(seconds=settings.WEBHOOK_TIMEOUT + _SLACK)
    params = {"lane": lane_id, "lease": _stored(lease), "delivery": delivery.pk}
    counting = params | {"now": moment(now), "enough": moment(enough)}
    if not _changed(_COUNT_ATTEMPT, counting):
        if not _changed(_RENEW, params | {"end": _end(now)}):
            return False
        if not _changed(_COUNT_ATTEMPT, counting):
            return False  # the delivery was removed
    delivery.attempts += 1
    return True


def release(lane_id: int, lease: uuid.UUID) -> None:
    """Give a lane back, and note when it has to be looked at again."""
    _changed(_RELEASE, {"lane": lane_id, "lease": _stored(lease)})


def next_due(lane_id: int) -> WebhookDelivery | None:
    """The oldest delivery of a lane that is due, with its webhook."""
    return _DUE.first(lane=lane_id, now=timezone.now())


def _due(lane_id: Given, now: Given) -> QuerySet[WebhookDelivery]:
    is_awake = Q(lane__webhook__paused_until__isnull=True) | Q(lane__webhook__paused_until__lte=now)
    is_due = Q(lane_id=lane_id, state=DeliveryState.WAITING, next_attempt_at__lte=now)
    due = WebhookDelivery.objects.filter(is_awake, is_due, lane__webhook__active=True)
    return due.select_related("lane__webhook").order_by("pk")[:1]


_DUE = ReadyQuery(lambda: _due(Given("lane", BigIntegerField()), Given("now", DateTimeField())))


def _end(now: datetime) -> Any:
    """Later than the attempt under way can last, and than the worker's death would be noticed."""
    lasting = settings.WEBHOOK_TIMEOUT + max(settings.WORKER_DEAD_AFTER, 2 * _SLACK)
    return moment(now + timedelta(seconds=lasting))


def _stored(lease: uuid.UUID) -> Any:
    return column(DeliveryLane, "lease").get_db_prep_value(lease, connection)


def _changed(sql: str, params: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return bool(cursor.rowcount > 0)
