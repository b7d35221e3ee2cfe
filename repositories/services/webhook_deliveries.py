"""Delivering to webhooks: at least once, in order per project and webhook while deliveries succeed.

One worker at a time delivers a lane (`delivery_lanes`). `wake_lanes`, which every worker calls now and
then, sets lanes going again whose worker has died, and those whose next attempt has come. An
attempt is counted before it is made, so that one which ends its worker counts too.
"""

import logging
import time
import traceback
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DataError, connection, transaction
from django.utils import timezone
from django_tasks import task

from internal_api import outgoing, tracing, worker_metrics
from internal_api.audit import record_event
from internal_api.backoff import backoff
from internal_api.stored_values import column
from internal_api.task_context import of_request, passed_on
from repositories.models import DeliveryLane, DeliveryState, Webhook, WebhookDelivery
from repositories.services import delivery_lanes
from repositories.services.webhook_requests import send

logger = logging.getLogger(__name__)
TRIES = 12
"""Attempts at one delivery, over some hours."""
PAUSE_AFTER = 4
"""Failures in a row after which a webhook is given a rest."""
TURN = 5.0
"""Seconds after which a lane lets others go first."""
PATIENCE = timedelta(minutes=10)
"""How long a lane that was woken waits for its task before it is woken again."""
AFTER_OTHERS = -5
"""The priority of lanes whose webhook has failed: receivers that hang, ten seconds each, keep nobody waiting whose do not."""
_KEPT = ("duration_ms", "response_status", "response_headers", "response_body", "error")
"""What is kept of an attempt."""
_DELIVERED = f"""
UPDATE repositories_webhookdelivery SET state = 'delivered', {", ".join(f"{name} = %s" for name in _KEPT)}
WHERE id = %s"""  # noqa: S608  names of our own


@task()
def deliver(lane_id: int, request_id: str = "", traceparent: str = "") -> None:
    """Deliver what is due in a lane, oldest first.

    Nothing happens where another worker is at it, which looks again when it is done.
    """
    while (lease := delivery_lanes.take(lane_id)) is not None:
        if not _drain(lane_id, lease):
            with transaction.atomic():
                delivery_lanes.release(lane_id, lease)
                deliver.enqueue(lane_id, **passed_on())
            return
        delivery_lanes.release(lane_id, lease)
        # Asked only now: the task of a delivery that came just before found the lane leased.
        if delivery_lanes.next_due(lane_id) is None:
            return


def wake_lanes(now: datetime) -> int:
    """Let lanes be delivered whose time has come, or whose worker has died."""
    lanes = DeliveryLane.objects.filter(wake_at__lte=now).values_list("pk", "wake_at", "webhook__failures")[:1000]
    return sum(_wake(lane_id, wake_at, now, has_failed=failures > 0) for lane_id, wake_at, failures in lanes)


@transaction.atomic
def _wake(lane_id: int, wake_at: datetime | None, now: datetime, *, has_failed: bool) -> int:
    woken = DeliveryLane.objects.filter(pk=lane_id, wake_at=wake_at).update(wake_at=now + PATIENCE)
    if woken:
        task = deliver.using(priority=AFTER_OTHERS) if has_failed else deliver
        task.enqueue(lane_id, **passed_on())
    return woken


def retry(deliveries: Iterable[WebhookDelivery]) -> int:
    """Deliver again, once more from the first attempt; how many."""
    now, number = timezone.now(), 0
    for delivery in deliveries:
        with transaction.atomic():
            WebhookDelivery.objects.filter(pk=delivery.pk).update(state=DeliveryState.WAITING, attempts=0, next_attempt_at=now)
            DeliveryLane.objects.filter(pk=delivery.lane_id).update(wake_at=now)
            record_event(
                "webhook_delivery_retried",
                entity_type="WebhookDelivery",
                entity_id=delivery.pk,
                entity_path=delivery.lane.webhook.audit_name(),
                details={"event": delivery.event, "ref": delivery.ref},
            )
        number += 1
    return number


def switch_on(webhook: Webhook) -> None:
    """Forget the failures, and deliver what has waited."""
    Webhook.objects.filter(pk=webhook.pk).update(active=True, failures=0, paused_until=None, switched_off_reason="")
    DeliveryLane.objects.filter(webhook=webhook).update(wake_at=timezone.now())


def _drain(lane_id: int, lease: uuid.UUID) -> bool:
    """Whether nothing is due any more; false when the turn was over before."""
    end = time.monotonic() + TURN
    while (delivery := delivery_lanes.next_due(lane_id)) is not None:
        if time.monotonic() >= end:
            return False
        if not delivery_lanes.begin_attempt(lane_id, lease, delivery):
            return True
        with of_request(delivery.correlation_id), _span(delivery):
            _attempt(delivery)
    return True


def _span(delivery: WebhookDelivery) -> AbstractContextManager[object]:
    """The span of an attempt, which goes on with the trace of the push."""
    told = {
        "control_plane.request_id": delivery.correlation_id,
        "control_plane.webhook": delivery.lane.webhook_id,
        "control_plane.delivery": delivery.pk,
        "control_plane.attempt": delivery.attempts,
    }
    return tracing.span(f"webhook {delivery.event}", "PRODUCER", told, parent=delivery.traceparent)


def _attempt(delivery: WebhookDelivery) -> None:
    """Send a delivery and record what came of it; whatever happens on the way is a failure like any other."""
    started = time.monotonic()
    delivery.response_status, delivery.response_headers, delivery.response_body = None, {}, ""
    try:
        delivery.error = _try(delivery)
    except outgoing.OutgoingError as error:
        delivery.error = str(error)[:512]
    except Exception as error:  # noqa: BLE001  the next delivery must not wait for ever because of this one
        where = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may quote the token
        logger.error("Webhook %s: delivery %s cannot be sent: %s\n%s", delivery.lane.webhook_id, delivery.pk, type(error).__name__, where)  # noqa: TRY400  likewise
        delivery.error = f"The delivery cannot be sent: {type(error).__name__}"
    if delivery.duration_ms is None or delivery.error:
        delivery.duration_ms = round((time.monotonic() - started) * 1000)
    _record(delivery)
    worker_metrics.observe_attempt(delivery.duration_ms / 1000, is_delivered=not delivery.error)
    if not delivery.error:
        logger.info("A webhook was delivered", extra={"fields": _fields(delivery)})


def _try(delivery: WebhookDelivery) -> str:
    if delivery.attempts > TRIES:  # each of them ended its worker
        raise outgoing.OutgoingError(f"None of {TRIES} attempts came to an end.")
    return send(delivery)


def _fields(delivery: WebhookDelivery) -> dict[str, object]:
    return {
        "webhook": delivery.lane.webhook_id,
        "project": delivery.lane.project_id,
        "delivery": delivery.pk,
        "push_event": delivery.push_event_id,
        "attempt": delivery.attempts,
        "status": delivery.response_status,
        "duration_ms": delivery.duration_ms,
    }


def _record(delivery: WebhookDelivery) -> None:
    """Keep what has come of the attempt; an answer that the database does not take is a failure."""
    try:
        _write(delivery)
    except (DataError, ValueError) as error:
        logger.warning(
            "Webhook %s: the answer to delivery %s cannot be kept: %s", delivery.lane.webhook_id, delivery.pk, type(error).__name__
        )
        delivery.response_headers, delivery.response_body = {}, ""
        delivery.error = "The answer cannot be kept."
        _write(delivery)


def _write(delivery: WebhookDelivery) -> None:
    """What has come of the attempt, and what it means for the webhook."""
    if delivery.error:
        _write_failure(delivery)
        return
    hook = delivery.lane.webhook
    values = [column(WebhookDelivery, name).get_db_prep_save(getattr(delivery, name), connection) for name in _KEPT]
    with connection.cursor() as cursor:
        cursor.execute(_DELIVERED, [*values, delivery.pk])
    if hook.failures:  # as it was before the attempt: what has failed meanwhile is forgotten by the next success
        Webhook.objects.filter(pk=hook.pk).update(failures=0, paused_until=None)


@transaction.atomic
def _write_failure(delivery: WebhookDelivery) -> None:
    hook = Webhook.objects.select_for_update(no_key=True).filter(pk=delivery.lane.webhook_id).first()
    if hook is None:
        return  # removed in the meantime, its deliveries with it
    values: dict[str, object] = {name: getattr(delivery, name) for name in _KEPT}
    if delivery.attempts >= TRIES:
        values["state"] = DeliveryState.FAILED
    else:
        values["next_attempt_at"] = timezone.now() + timedelta(seconds=backoff(delivery.attempts))
    rows = WebhookDelivery.objects.filter(pk=delivery.pk)
    if rows.exclude(state=DeliveryState.DELIVERED).update(**values):  # a worker that had lost the lane may have delivered it
        _count_failure(hook, delivery)


def _count_failure(hook: Webhook, delivery: WebhookDelivery) -> None:
    hook.failures += 1
    logger.warning("Webhook %s: attempt %s at delivery %s failed: %s", hook.pk, delivery.attempts, delivery.pk, delivery.error)
    if hook.failures > PAUSE_AFTER:
        hook.paused_until = timezone.now() + timedelta(seconds=backoff(hook.failures - PAUSE_AFTER))
    if hook.active and hook.failures >= settings.WEBHOOK_FAILURES:
        hook.active = False
        hook.switched_off_reason = f"{hook.failures} failures in a row. The last: {delivery.error}"[:255]
        logger.error("Webhook %s is switched off: %s", hook.pk, hook.switched_off_reason)
    hook.save(update_fields=["failures", "paused_until", "active", "switched_off_reason"])
