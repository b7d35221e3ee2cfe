"""What the database knows of pushes and webhooks, for /metrics/database."""

from collections.abc import Iterable

from django.utils import timezone
from prometheus_client.core import Metric

from internal_api.database_metrics import MOST, count_up_to_most, register_collector, register_growing
from internal_api.metrics import gauge
from repositories.models import DeliveryState, LFSLock, LFSObject, LFSObjectLink, PendingPush, PushEvent, Refusal, Webhook, WebhookDelivery


def _webhooks() -> Iterable[Metric]:
    waiting = count_up_to_most(WebhookDelivery.objects.filter(state=DeliveryState.WAITING))
    yield gauge("internal_api_webhook_deliveries_waiting", f"Webhook deliveries that wait, up to {MOST}", [({}, waiting)])
    off = count_up_to_most(Webhook.objects.filter(active=False).exclude(switched_off_reason=""))
    yield gauge("internal_api_webhooks_switched_off", f"Webhooks that were switched off after failures, up to {MOST}", [({}, off)])


def _pushes() -> Iterable[Metric]:
    pending = count_up_to_most(PendingPush.objects.all())
    yield gauge("internal_api_pending_pushes", f"Pushes that were allowed and are not reported yet, up to {MOST}", [({}, pending)])
    oldest = PendingPush.objects.order_by("pk").values_list("created_at", flat=True).first()
    age = (timezone.now() - oldest).total_seconds() if oldest else 0.0
    yield gauge("internal_api_pending_push_oldest_seconds", "How long ago the oldest of them was allowed", [({}, age)])
    recovered = count_up_to_most(PushEvent.objects.filter(recovered=True))
    help_text = f"Push events that are kept of pushes that Gitaly did not report, up to {MOST}"
    yield gauge("internal_api_recovered_pushes", help_text, [({}, recovered)])


def _lfs() -> Iterable[Metric]:
    locks = count_up_to_most(LFSLock.objects.all())
    yield gauge("internal_api_lfs_locks", f"File locks of Git LFS, up to {MOST}", [({}, locks)])


def register() -> None:
    """Make the collectors known."""
    register_collector("pushes", _pushes)
    register_collector("webhooks", _webhooks)
    register_collector("LFS", _lfs)
    register_growing(LFSObject, LFSObjectLink, PushEvent, Refusal, WebhookDelivery)
