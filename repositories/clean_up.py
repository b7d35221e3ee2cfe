"""What clean-up removes of the apps' own: old push events and webhook deliveries, and refusals but for the latest."""

from datetime import datetime

from django.conf import settings

from internal_api.clean_up import delete_in_batches, older_than, register_clean_up
from repositories.lfs.objects import remove_stale_uploads, remove_unlinked_objects
from repositories.models import PendingPush, PushEvent, Refusal, WebhookDelivery

PENDING_PUSH_DAYS = 30


def _old_push_events(now: datetime) -> int:
    return older_than(PushEvent.objects.all(), now, settings.PUSH_EVENT_RETENTION_DAYS)


def _surplus_refusals(now: datetime) -> int:
    kept = settings.REFUSALS_KEPT
    if not kept:
        return 0
    least = Refusal.objects.order_by("-pk").values_list("pk", flat=True)[kept - 1 : kept].first()
    return 0 if least is None else delete_in_batches(Refusal.objects.filter(pk__lt=least))


def _old_deliveries(now: datetime) -> int:
    return older_than(WebhookDelivery.objects.all(), now, settings.WEBHOOK_DELIVERY_RETENTION_DAYS)


def _old_pending_pushes(now: datetime) -> int:
    """Those that Gitaly could never be asked about."""
    return older_than(PendingPush.objects.all(), now, PENDING_PUSH_DAYS)


def register() -> None:
    """Make the jobs known."""
    register_clean_up("push events", _old_push_events)
    register_clean_up("pending pushes", _old_pending_pushes)
    register_clean_up("webhook deliveries", _old_deliveries)
    register_clean_up("refusals", _surplus_refusals)
    register_clean_up("LFS objects", remove_unlinked_objects)
    register_clean_up("LFS uploads", remove_stale_uploads)
