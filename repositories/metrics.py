"""What the database knows of webhooks, for /metrics."""

from collections.abc import Iterable

from django.db.models import Count
from prometheus_client.core import Metric

from internal_api.metrics import gauge, register_collector
from repositories.models import DeliveryState, Webhook, WebhookDelivery


def _webhooks() -> Iterable[Metric]:
    found = dict(WebhookDelivery.objects.values_list("state").annotate(number=Count("pk")))
    states = [({"state": state}, float(found.get(state, 0))) for state in DeliveryState.values]
    yield gauge("internal_api_webhook_deliveries", "Webhook deliveries that are kept, by state", states)
    off = Webhook.objects.filter(active=False).exclude(switched_off_reason="").count()
    yield gauge("internal_api_webhooks_switched_off", "Webhooks that were switched off after failures", [({}, float(off))])


def register() -> None:
    """Make the collector known."""
    register_collector("webhooks", _webhooks)
