"""What clean-up removes: all but each agent's newest events, and weeks that nobody counts any more."""

from datetime import datetime, timedelta

from django.db.models import F, Window
from django.db.models.functions import RowNumber

from internal_api.clean_up import delete_in_batches, register_clean_up
from kubernetes_agent.models import AgentEvent, UniqueUse
from kubernetes_agent.unique_store import WEEKS_KEPT, monday

EVENTS_KEPT = 200


def _old_events(now: datetime) -> int:
    newest_first = Window(RowNumber(), partition_by=F("agent_id"), order_by=F("pk").desc())
    surplus = AgentEvent.objects.annotate(place=newest_first).filter(place__gt=EVENTS_KEPT).values_list("pk", flat=True)
    return delete_in_batches(AgentEvent.objects.filter(pk__in=list(surplus[:100_000])))


def _old_weeks(now: datetime) -> int:
    return delete_in_batches(UniqueUse.objects.filter(week__lt=monday(now.date()) - timedelta(weeks=WEEKS_KEPT)))


def register() -> None:
    """Make the jobs known."""
    register_clean_up("agent events", _old_events)
    register_clean_up("unique uses", _old_weeks)
