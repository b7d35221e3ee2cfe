"""Reading back what kas has counted."""

from dataclasses import dataclass
from datetime import date, timedelta

from django.db.models import Sum
from django.utils import timezone

from kubernetes_agent.metric_names import COUNTERS, REGISTRATION, UNIQUE
from kubernetes_agent.models import UsageCounter
from kubernetes_agent.unique_store import count_seen, monday

DAYS_SHOWN = 28
WEEKS_IN_A_MONTH = 4


@dataclass(frozen=True, slots=True)
class CounterReading:
    """A counter's total since the beginning, and its growth on each of the latest days, the oldest first."""

    name: str
    total: int
    days: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class UniqueReading:
    """How many different ones were seen this week, and in this week and the three before it."""

    name: str
    weekly: int
    monthly: int


def counter_readings(today: date | None = None) -> list[CounterReading]:
    """All counters, those that have never grown too. Two statements."""
    last = today or timezone.now().date()
    first = last - timedelta(days=DAYS_SHOWN - 1)
    totals = dict(UsageCounter.objects.values_list("name").annotate(total=Sum("value")))
    recent = {(name, day): value for name, day, value in UsageCounter.objects.filter(day__gte=first).values_list("name", "day", "value")}
    days = [first + timedelta(days=number) for number in range(DAYS_SHOWN)]
    names = [*COUNTERS, f"events.{REGISTRATION}", *(f"events.{name}" for name in UNIQUE if f"events.{name}" in totals)]
    return [CounterReading(name, totals.get(name, 0), tuple(recent.get((name, day), 0) for day in days)) for name in names]


def unique_readings(today: date | None = None) -> list[UniqueReading]:
    """All unique counters. Raises SharedStoreError when they are in a Redis that is away."""
    week = monday(today or timezone.now().date())
    month = [week - timedelta(weeks=number) for number in range(WEEKS_IN_A_MONTH)]
    weekly, monthly = count_seen(UNIQUE, [week]), count_seen(UNIQUE, month)
    return [UniqueReading(name, weekly[name], monthly[name]) for name in UNIQUE]
