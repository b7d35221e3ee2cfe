"""Adding up what kas has counted (contract: kubernetes-agent 2.5 and 2.6). Not idempotent, as upstream: a repeated call counts again."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from accounts.models import User
from internal_api.statements import day, existing_ids
from kubernetes_agent.metric_names import CI_TUNNEL_USERS, REGISTRATION, UNIQUE_USERS
from kubernetes_agent.models import Agent
from kubernetes_agent.unique_store import add_seen, monday
from repositories.models import Project

# One statement for all counters. Names are sorted, so that two requests never wait for each other in a circle.
_INCREASE = """
INSERT INTO kubernetes_agent_usagecounter AS kept (name, day, value) VALUES {rows}
ON CONFLICT (name, day) DO UPDATE SET value = kept.value + excluded.value
"""


@dataclass(frozen=True, slots=True)
class ProxyUse:
    """Somebody has used a cluster through the proxy."""

    user_id: int | None
    project_id: int | None


@dataclass(frozen=True, slots=True)
class Registration:
    """An agent has come to kas."""

    project_id: int | None
    agent_id: int | None
    properties: Mapping[str, str]


def increase_counters(numbers: Mapping[str, int]) -> None:
    """Add to the counters of today; nothing for what is not positive."""
    growing = sorted((name, number) for name, number in numbers.items() if number > 0)
    if not growing:
        return
    today = day(timezone.now().date())
    params: list[Any] = [value for name, number in growing for value in (name, today, number)]
    with connection.cursor() as cursor:
        cursor.execute(_INCREASE.format(rows=", ".join(["(%s, %s, %s)"] * len(growing))), params)


def record_usage(counters: Mapping[str, int], unique: Mapping[str, Collection[int]]) -> None:
    """Counters, and who and what was seen; users who do not exist are left out."""
    users = existing_ids(User, (user for name in UNIQUE_USERS for user in unique.get(name, ())))
    seen = {name: [entity for entity in entities if name not in UNIQUE_USERS or entity in users] for name, entities in unique.items()}
    events = {f"events.{name}": len(seen[name]) for name in UNIQUE_USERS if seen.get(name)}
    with transaction.atomic():
        increase_counters({**counters, **events})
        add_seen(seen, monday(timezone.now().date()))


def record_events(uses: Mapping[str, Sequence[ProxyUse]], registrations: Sequence[Registration]) -> None:
    """Who used the proxy, and which agents came; items of projects that do not exist are left out."""
    all_uses = [use for items in uses.values() for use in items]
    named = [use.project_id for use in all_uses] + [registration.project_id for registration in registrations]
    projects = existing_ids(Project, (project for project in named if project is not None))
    users = existing_ids(User, (use.user_id for use in all_uses if use.user_id is not None))
    kept = {name: [use for use in items if use.project_id in projects] for name, items in uses.items()}
    kept[CI_TUNNEL_USERS] = [use for items in kept.values() for use in items]
    known = [registration for registration in registrations if registration.project_id in projects]
    events = Counter({f"events.{name}": len(items) for name, items in kept.items()})
    events[f"events.{REGISTRATION}"] = len(known)
    seen = {name: [use.user_id for use in items if use.user_id is not None and use.user_id in users] for name, items in kept.items()}
    with transaction.atomic():
        increase_counters(events)
        add_seen(seen, monday(timezone.now().date()))
        _keep_properties(known)


def _keep_properties(registrations: Sequence[Registration]) -> None:
    """Write down what the agents told of themselves last: a query for all, and one for each agent that exists."""
    latest = {(registration.agent_id, registration.project_id): registration for registration in registrations}
    named = existing_ids(Agent, (agent_id for agent_id, _ in latest if agent_id is not None))
    for (agent_id, project_id), told in latest.items():
        if agent_id in named and project_id is not None:
            Agent.objects.filter(pk=agent_id, project_id=project_id).update(**told.properties)
