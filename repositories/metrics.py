"""What the database knows of pushes and webhooks, for /metrics."""

from collections.abc import Iterable

from django.db.models import Count, Min
from django.utils import timezone
from prometheus_client.core import Metric

from internal_api.metrics import gauge, register_collector
from repositories.models import DeliveryState, PendingPush, PushEvent, Webhook, WebhookDelivery


def _webhooks() -> Iterable[Metric]:
    found = dict(WebhookDelivery.objects.values_list("state").annotate(number=Count("pk")))
    states = [({"state": state}, float(found.get(state, 0))) for state in DeliveryState.values]
    yield gauge("internal_api_webhook_deliveries", "Webhook deliveries that are kept, by state", states)
    off = Webhook.objects.filter(active=False).exclude(switched_off_reason="").count()
    yield gauge("internal_api_webhooks_switched_off", "Webhooks that were switched off after failures", [({}, float(off))])


def _pushes() -> Iterable[Metric]:
    waiting = PendingPush.objects.aggregate(number=Count("pk"), oldest=Min("created_at"))
    age = (timezone.now() - waiting["oldest"]).total_seconds() if waiting["oldest"] else 0.0
    yield gauge("internal_api_pending_pushes", "Pushes that were allowed and are not reported yet", [({}, float(waiting["number"]))])
    yield gauge("internal_api_pending_push_oldest_seconds", "How long ago the oldest of them was allowed", [({}, age)])
    recovered = PushEvent.objects.filter(recovered=True).count()
    yield gauge("internal_api_recovered_pushes", "Push events that are kept of pushes that Gitaly did not report", [({}, float(recovered))])


def register() -> None:
    """Make the collectors known."""
    register_collector("pushes", _pushes)
    register_collector("webhooks", _webhooks)
