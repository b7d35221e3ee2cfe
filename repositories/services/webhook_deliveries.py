"""Delivering to webhooks: at least once, in order per project and webhook while deliveries succeed, one worker a lane at a time.

A lane is taken for a while (its lease), so that two workers never deliver the same lane at once. A worker that dies leaves
its lease to run out; `wake_lanes`, which every worker calls now and then, sets such lanes going again, and those whose next
attempt has come. A lease is longer than an attempt can last, and is renewed before each. An attempt is counted before it is
made, so that one which ends its worker counts too.
"""

import hashlib
import hmac
import json
import logging
import time
import traceback
import uuid
from collections.abc import Iterable
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import DataError, connection, transaction
from django.db.models import BigIntegerField, DateTimeField, Min, Q, QuerySet
from django.utils import timezone
from django_tasks import task

from internal_api import outgoing, stored_values, tracing
from internal_api.audit import record_event
from internal_api.backoff import backoff
from internal_api.ready_queries import Given, ReadyQuery
from internal_api.statements import moment
from internal_api.stored_values import column
from internal_api.task_context import of_request, passed_on
from repositories.models import DeliveryLane, DeliveryState, Webhook, WebhookDelivery

if TYPE_CHECKING:
    from repositories.webhook_payloads import Message  # made by others; the admin site needs none

logger = logging.getLogger(__name__)
TRIES = 12
"""Attempts at one delivery, over some hours."""
PAUSE_AFTER = 4
"""Failures in a row after which a webhook is given a rest."""
TURN = 5.0
"""Seconds after which a lane lets others go first."""
PATIENCE = timedelta(minutes=10)
"""How long a lane that was woken waits for its task before it is woken again."""
# What every delivery asks; built by the ORM each time, these cost as much as the call itself.
_TAKE = """
UPDATE repositories_deliverylane SET lease = %(lease)s, leased_until = %(end)s, wake_at = %(end)s
WHERE id = %(lane)s AND (leased_until IS NULL OR leased_until <= %(now)s)"""
_KEEP = """
UPDATE repositories_deliverylane SET leased_until = %(end)s, wake_at = %(end)s WHERE id = %(lane)s AND lease = %(lease)s"""
_COUNT_ATTEMPT = "UPDATE repositories_webhookdelivery SET attempts = attempts + 1, attempted_at = %(at)s WHERE id = %(id)s"
_HOOKS = {"push": "Push Hook", "tag_push": "Tag Push Hook", "repository_update": "Repository Update Hook"}
_NOT_KEPT = frozenset({"set-cookie", "set-cookie2"})


@task()
def deliver(lane_id: int, request_id: str = "", traceparent: str = "") -> None:
    """Deliver what is due in a lane, oldest first. Nothing happens where another worker is at it, which looks again when it is done."""
    while (lease := _take(lane_id)) is not None:
        is_finished = _drain(lane_id, lease)
        with transaction.atomic():
            _release(lane_id, lease)
            if not is_finished:
                deliver.enqueue(lane_id, **passed_on())
        if not is_finished or _next_due(lane_id) is None:
            return


def wake_lanes(now: datetime) -> int:
    """Let lanes be delivered whose time has come, or whose worker has died."""
    lanes = DeliveryLane.objects.filter(wake_at__lte=now).values_list("pk", "wake_at")[:1000]
    return sum(_wake(lane_id, wake_at, now) for lane_id, wake_at in lanes)


@transaction.atomic
def _wake(lane_id: int, wake_at: datetime | None, now: datetime) -> int:
    woken = DeliveryLane.objects.filter(pk=lane_id, wake_at=wake_at).update(wake_at=now + PATIENCE)
    if woken:
        deliver.enqueue(lane_id, **passed_on())
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


def _lease_end() -> datetime:
    """Later than the attempt under way can last, and than the worker's death would be noticed."""
    return timezone.now() + timedelta(seconds=settings.WORKER_DEAD_AFTER + settings.WEBHOOK_TIMEOUT)


def _take(lane_id: int) -> uuid.UUID | None:
    lease = uuid.uuid4()
    params = {"lane": lane_id, "lease": _as_stored(lease), "end": moment(_lease_end()), "now": moment(timezone.now())}
    return lease if _changed(_TAKE, params) else None


def _keep(lane_id: int, lease: uuid.UUID) -> bool:
    """Renew the lease; false when it ran out and somebody else has the lane."""
    return _changed(_KEEP, {"lane": lane_id, "lease": _as_stored(lease), "end": moment(_lease_end())})


def _changed(sql: str, params: dict[str, Any]) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return bool(cursor.rowcount > 0)


def _as_stored(lease: uuid.UUID) -> Any:
    return column(DeliveryLane, "lease").get_db_prep_value(lease, connection)


def _release(lane_id: int, lease: uuid.UUID) -> None:
    waiting = WebhookDelivery.objects.filter(lane_id=lane_id, state=DeliveryState.WAITING, lane__webhook__active=True)
    times = waiting.aggregate(next=Min("next_attempt_at"), pause=Min("lane__webhook__paused_until"))
    wake_at = max((moment for moment in times.values() if moment is not None), default=None) if times["next"] else None
    DeliveryLane.objects.filter(pk=lane_id, lease=lease).update(lease=None, leased_until=None, wake_at=wake_at)


def _next_due(lane_id: int) -> WebhookDelivery | None:
    """The oldest delivery of a lane that is due, with its webhook."""
    return _DUE.first(lane=lane_id, now=timezone.now())


def _due(lane_id: Given, now: Given) -> QuerySet[WebhookDelivery]:
    is_awake = Q(lane__webhook__paused_until__isnull=True) | Q(lane__webhook__paused_until__lte=now)
    due = WebhookDelivery.objects.filter(is_awake, lane_id=lane_id, state=DeliveryState.WAITING, next_attempt_at__lte=now)
    return due.filter(lane__webhook__active=True).select_related("lane__webhook").order_by("pk")[:1]


_DUE = ReadyQuery(lambda: _due(Given("lane", BigIntegerField()), Given("now", DateTimeField())))


def _drain(lane_id: int, lease: uuid.UUID) -> bool:
    """Whether nothing is due any more; false when the turn was over before."""
    end = time.monotonic() + TURN
    while (delivery := _next_due(lane_id)) is not None:
        if time.monotonic() >= end:
            return False
        if not _begin(lane_id, lease, delivery):
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


@transaction.atomic
def _begin(lane_id: int, lease: uuid.UUID, delivery: WebhookDelivery) -> bool:
    """Renew the lease and count the attempt; false when somebody else has the lane."""
    if not _keep(lane_id, lease):
        return False
    delivery.attempted_at = timezone.now()
    delivery.attempts += 1
    return _changed(_COUNT_ATTEMPT, {"id": delivery.pk, "at": moment(delivery.attempted_at)})


def _attempt(delivery: WebhookDelivery) -> None:
    """Send a delivery and record what came of it; whatever happens on the way is a failure like any other."""
    started = time.monotonic()
    delivery.response_status, delivery.response_headers, delivery.response_body = None, {}, ""
    try:
        delivery.error = _send(delivery)
    except outgoing.OutgoingError as error:
        delivery.error = str(error)[:512]
    except Exception as error:  # noqa: BLE001  the next delivery must not wait for ever because of this one
        where = "".join(traceback.format_tb(error.__traceback__))  # without the message, which may quote the token
        logger.error("Webhook %s: delivery %s cannot be sent: %s\n%s", delivery.lane.webhook_id, delivery.pk, type(error).__name__, where)  # noqa: TRY400  likewise
        delivery.error = f"The delivery cannot be sent: {type(error).__name__}"
    if delivery.duration_ms is None or delivery.error:
        delivery.duration_ms = round((time.monotonic() - started) * 1000)
    _record(delivery)
    if not delivery.error:
        logger.info("A webhook was delivered", extra={"fields": _fields(delivery)})


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


def _send(delivery: WebhookDelivery) -> str:
    """Send it, and keep the answer but for what it repeats of the token; return what is wrong with it. Raises OutgoingError."""
    if delivery.attempts > TRIES:  # each of them ended its worker
        raise outgoing.OutgoingError(f"None of {TRIES} attempts came to an end.")
    hook = delivery.lane.webhook
    stored_values.is_readable(hook, "url")  # reported; an address that cannot be called fails below
    body = body_of(delivery.payload)
    headers = headers_of(hook, delivery.event, body, str(delivery.idempotency_key), event_uuid(delivery))
    headers |= trace_headers(delivery)
    reply = outgoing.post(hook.url, body, headers, allowed=settings.WEBHOOK_ALLOWED_TARGETS, seconds=settings.WEBHOOK_TIMEOUT)
    delivery.response_status, delivery.duration_ms = reply.status, reply.duration_ms
    delivery.response_body = _masked(reply.body, hook.token)
    kept = {name: value for name, value in reply.headers.items() if name.lower() not in _NOT_KEPT}
    delivery.response_headers = {_masked(name, hook.token): _masked(value, hook.token) for name, value in kept.items()}
    return "" if is_success(reply.status) else f"The receiver answered {reply.status}."


def trace_headers(delivery: WebhookDelivery) -> dict[str, str]:
    """Return the id of the request that pushed, and the trace, by which a receiver's own log can be joined to ours."""
    headers = {"X-Request-Id": delivery.correlation_id, tracing.TRACEPARENT: tracing.traceparent() or delivery.traceparent}
    return {name: value for name, value in headers.items() if value}


def _masked(text: str, secret: str | None) -> str:
    return text.replace(secret, "[token]") if secret else text


def is_success(status: int) -> bool:
    """Whether a receiver has taken a delivery; a redirect, which is not followed, is none."""
    return 200 <= status < 300  # noqa: PLR2004  HTTP's own numbers


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


@transaction.atomic
def _write(delivery: WebhookDelivery) -> None:
    """What has come of the attempt, and what it means for the webhook."""
    hook = Webhook.objects.select_for_update(no_key=True).filter(pk=delivery.lane.webhook_id).first()
    if hook is None:
        return  # removed in the meantime, its deliveries with it
    names = ("duration_ms", "response_status", "response_headers", "response_body", "error")
    values: dict[str, object] = {name: getattr(delivery, name) for name in names}
    rows = WebhookDelivery.objects.filter(pk=delivery.pk)
    if not delivery.error:
        rows.update(state=DeliveryState.DELIVERED, **values)
        if hook.failures:
            Webhook.objects.filter(pk=hook.pk).update(failures=0, paused_until=None)
        return
    if delivery.attempts >= TRIES:
        values["state"] = DeliveryState.FAILED
    else:
        values["next_attempt_at"] = timezone.now() + timedelta(seconds=backoff(delivery.attempts))
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


def body_of(payload: dict[str, object]) -> bytes:
    """What is sent, byte for byte, and signed."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "backslashreplace")


def event_uuid(delivery: WebhookDelivery) -> str:
    """One for an event, whichever webhook is told of it and how often."""
    return _named_uuid(f"push_events/{delivery.push_event_id}/{delivery.event}/{delivery.ref}")


def _named_uuid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{settings.EXTERNAL_URL}/{name}"))


def headers_of(hook: Webhook, event: str, body: bytes, idempotency_key: str, event_id: str) -> dict[str, str]:
    """GitLab's headers, and the body's HMAC-SHA256 under the token, in the header that receivers' libraries check by themselves.

    Raises OutgoingError for a stored token that cannot be decrypted: nothing is sent unsigned that should be signed.
    """
    if not stored_values.is_readable(hook, "token"):
        raise outgoing.OutgoingError("The webhook's token cannot be decrypted. Set it again.")
    headers = {
        "Content-Type": "application/json",
        "User-Agent": f"GitLab/{settings.GITLAB_VERSION}",
        "Idempotency-Key": idempotency_key,
        "X-Gitlab-Event": "System Hook" if hook.instance else _HOOKS[event],
        "X-Gitlab-Event-UUID": event_id,
        "X-Gitlab-Webhook-UUID": _named_uuid(f"webhooks/{hook.pk}"),
        "X-Gitlab-Instance": settings.EXTERNAL_URL,
    }
    if hook.token:
        signature = hmac.new(hook.token.encode(), body, hashlib.sha256).hexdigest()
        headers |= {"X-Gitlab-Token": hook.token, "X-Hub-Signature-256": f"sha256={signature}"}
    return headers


def send_sample(url: str, token: str | None, message: "Message") -> outgoing.Reply:
    """Try a receiver out; nothing is stored. Raises OutgoingError."""
    body = body_of(message.body)
    headers = headers_of(Webhook(pk=0, url=url, token=token, project_id=0), message.event, body, str(uuid.uuid4()), str(uuid.uuid4()))
    return outgoing.post(url, body, headers, allowed=settings.WEBHOOK_ALLOWED_TARGETS, seconds=settings.WEBHOOK_TIMEOUT)
