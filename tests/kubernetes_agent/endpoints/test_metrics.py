"""POST usage_metrics and agent_events (contract: kubernetes-agent 2.5, 2.6, 8.3, 8.4)."""

import json
import threading
from datetime import date, timedelta
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.utils import timezone

from accounts.models import User
from internal_api.shared_store import SharedStoreError
from kubernetes_agent import unique_store
from kubernetes_agent.metric_names import COUNTERS, UNIQUE, UNIQUE_THINGS, UNIQUE_USERS
from kubernetes_agent.models import Agent, UniqueUse, UsageCounter
from kubernetes_agent.selectors.metrics import counter_readings, unique_readings
from kubernetes_agent.services.metrics import increase_counters
from kubernetes_agent.unique_store import add_seen, count_seen, monday
from repositories.models import Project
from tests.factories import UserFactory

USAGE = "/api/v4/internal/kubernetes/usage_metrics"
EVENTS = "/api/v4/internal/kubernetes/agent_events"


def send(client: Client, path: str, body: Any) -> None:
    response = client.post(path, body, content_type="application/json")
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response.headers


def totals() -> dict[str, int]:
    return {reading.name: reading.total for reading in counter_readings() if reading.total}


def seen() -> dict[str, tuple[int, int]]:
    return {reading.name: (reading.weekly, reading.monthly) for reading in unique_readings() if reading.monthly}


def test_counters_grow_by_what_was_counted(kas: Client, store: Any) -> None:
    """kubernetes-agent 8.3 #67, #68; a repeated call counts again."""
    numbers = {"flux_git_push_notifications_total": 3, "k8s_api_proxy_request": 5}
    numbers |= {f"k8s_api_proxy_requests_via_{way}_access": number for way, number in (("ci", 43), ("user", 44), ("pat", 45))}
    assert set(numbers) == set(COUNTERS)
    for times in (1, 2):
        send(kas, USAGE, {"counters": numbers})
        assert totals() == {name: number * times for name, number in numbers.items()}


def test_unique_counters_count_each_once(kas: Client, store: Any) -> None:
    """kubernetes-agent 8.3 #70; users who do not exist are left out, and their events are not."""
    users = [UserFactory.create(username=name).pk for name in ("ann", "bob", "carol")]
    body = {"unique_counters": {key: [*users, users[0]] for key in (*UNIQUE_THINGS, *UNIQUE_USERS)}}
    body["unique_counters"] |= {UNIQUE_USERS[0]: [*users, users[0], 999_999]}
    for _ in range(2):
        send(kas, USAGE, body)
    assert seen() == dict.fromkeys((*UNIQUE_THINGS, *UNIQUE_USERS), (3, 3))
    assert totals() == {f"events.{name}": 8 for name in UNIQUE_USERS}


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"counters": {"k8s_api_proxy_request": 0}, "unique_counters": {UNIQUE_USERS[0]: []}}, id="#64"),
        pytest.param({}, id="#71"),
        pytest.param({"counters": {"nope": 9}}, id="#71 unknown"),
        pytest.param({"counters": None}, id="#71 null"),
        pytest.param({"counters": {"k8s_api_proxy_request": -3}}, id="#73"),
        pytest.param({"counters": {"gitops_sync": 1}, "unique_counters": {"agent_users_using_ci_tunnel": [1]}}, id="kas 16"),
        pytest.param({"gitops_sync_count": 1}, id="kas 13"),
        pytest.param({"events": {}}, id="no events"),
    ],
)
def test_what_counts_nothing(kas: Client, store: Any, body: Any) -> None:
    send(kas, USAGE, body)
    assert (totals(), seen()) == ({}, {})


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param({"counters": {"k8s_api_proxy_request": "string"}}, "counters[k8s_api_proxy_request] is invalid", id="#65"),
        pytest.param({"counters": []}, "counters is invalid", id="a list"),
        pytest.param({"counters": 1, "unique_counters": "x"}, "counters is invalid, unique_counters is invalid", id="scalars"),
        pytest.param({"unique_counters": {UNIQUE_USERS[0]: 1}}, f"unique_counters[{UNIQUE_USERS[0]}] is invalid", id="no list"),
        pytest.param({"unique_counters": {UNIQUE_USERS[0]: [1, "x"]}}, f"unique_counters[{UNIQUE_USERS[0]}] is invalid", id="one bad"),
        pytest.param({"counters": {"k8s_api_proxy_request": 2**62}}, "counters[k8s_api_proxy_request] is invalid", id="beyond reason"),
    ],
)
def test_wrong_types_count_nothing(kas: Client, store: Any, body: Any, error: str) -> None:
    response = kas.post(USAGE, {**body, "x": 1}, content_type="application/json")
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert totals() == {}


def test_a_form_will_do(kas: Client, store: Any) -> None:
    assert (
        kas.post(USAGE, {"counters[k8s_api_proxy_request]": "2", f"unique_counters[{UNIQUE_THINGS[0]}][]": ["1", "2"]}).status_code == 204
    )
    assert totals() == {"k8s_api_proxy_request": 2}
    assert seen() == {UNIQUE_THINGS[0]: (2, 2)}


def test_events_of_people(kas: Client, store: Any, rockets: Project) -> None:
    """kubernetes-agent 8.4 #74, #83: the list of the CI tunnel is derived; items of unknown projects are skipped."""
    users = [UserFactory.create(username=name).pk for name in ("ann", "bob", "carol")]
    items = [{"user_id": user, "project_id": rockets.pk} for user in users]
    lists: dict[str, Any] = {key: [*items, {}, {"user_id": users[0], "project_id": 999999}] for key in UNIQUE_USERS}
    lists |= {"agent_users_using_ci_tunnel": [{"user_id": 1, "project_id": rockets.pk}], "unknown": 7}
    for _ in range(2):
        send(kas, EVENTS, {"events": lists})
    assert totals() == {**{f"events.{name}": 6 for name in UNIQUE_USERS}, "events.agent_users_using_ci_tunnel": 18}
    assert seen() == dict.fromkeys((*UNIQUE_USERS, "agent_users_using_ci_tunnel"), (3, 3))


@pytest.mark.parametrize("path", [USAGE, EVENTS])
def test_more_ids_than_a_statement_takes_parameters_are_counted(kas: Client, store: Any, rockets: Project, ann: User, path: str) -> None:
    """Kas repeats a set until it is accepted: one of 260,000 ids must not be refused for ever (65,535 on PostgreSQL, 250,000 on SQLite)."""
    ids = range(ann.pk, ann.pk + 260_000)
    items = [{"user_id": user, "project_id": rockets.pk} for user in ids]
    registrations = [{"agent_id": number, "project_id": rockets.pk} for number in range(10**9, 10**9 + 70_000)]
    if path == USAGE:
        send(kas, path, {"unique_counters": {UNIQUE_USERS[0]: list(ids)}})
    else:
        send(kas, path, {"events": {UNIQUE_USERS[0]: items[:70_000], "register_agent_at_kas": registrations}})
    assert seen()[UNIQUE_USERS[0]] == (1, 1)


def test_an_unknown_user_is_an_event_of_nobody(kas: Client, store: Any, rockets: Project) -> None:
    send(kas, EVENTS, {"events": {UNIQUE_USERS[0]: [{"user_id": 999_999, "project_id": rockets.pk}, {"project_id": rockets.pk}]}})
    assert totals() == {f"events.{UNIQUE_USERS[0]}": 2, "events.agent_users_using_ci_tunnel": 2}
    assert seen() == {}


def test_an_agent_comes_to_kas(kas: Client, store: Any, production: Agent) -> None:
    """kubernetes-agent 8.4 #76, #77, #79."""
    item = {"project_id": production.project_id, "agent_version": "18.9.0", "architecture": "arm64", "agent_id": str(production.pk)}
    telemetry = {"installation_method": "helm-chart", "helm_chart_version": "1.0.0", "other": 1}
    send(kas, EVENTS, {"events": {"register_agent_at_kas": [{**item, "kubernetes_version": "1.33", "extra_telemetry_data": telemetry}]}})
    production.refresh_from_db()
    assert (production.agent_version, production.kubernetes_version, production.architecture) == ("18.9.0", "1.33", "arm64")
    send(kas, EVENTS, {"events": {"register_agent_at_kas": [{"project_id": production.project_id, "extra_telemetry_data": {}}]}})
    assert totals() == {"events.register_agent_at_kas": 2}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param(
            {UNIQUE_USERS[0]: [{"user_id": 1}, {"project_id": "x"}]}, f"events[{UNIQUE_USERS[0]}][1][project_id] is invalid", id="#82"
        ),
        pytest.param({UNIQUE_USERS[0]: 1}, f"events[{UNIQUE_USERS[0]}] is invalid", id="no list"),
        pytest.param([], "events is invalid", id="no object"),
    ],
)
def test_malformed_events_count_nothing(kas: Client, store: Any, body: Any, error: str) -> None:
    response = kas.post(EVENTS, {"events": body}, content_type="application/json")
    assert (response.status_code, response.json()) == (400, {"error": error})
    assert totals() == {}


@pytest.mark.parametrize("body", [{}, {"events": {}}, {"events": None}, {"events": {key: [] for key in UNIQUE_USERS}}])
def test_no_events_are_no_error(kas: Client, store: Any, body: Any) -> None:
    """kubernetes-agent 8.4 #80."""
    send(kas, EVENTS, body)
    assert totals() == {}


@pytest.mark.parametrize("path", [USAGE, EVENTS])
def test_strangers_count_nothing(stranger: Client, db: None, path: str) -> None:
    """kubernetes-agent 8.1 #16, #17."""
    for headers in ({}, {"gitlab-kas-api-request": ""}):
        response = stranger.post(path, {"counters": {"k8s_api_proxy_request": 1}}, content_type="application/json", headers=headers)
        assert (response.status_code, response.json()) == (401, {"message": "KAS JWT authentication invalid"})


def test_weeks_and_months(store: Any) -> None:
    today = date(2030, 3, 13)
    for weeks, entities in ((0, [1, 2]), (1, [2, 3]), (3, [4]), (4, [5])):
        add_seen({UNIQUE_THINGS[0]: entities}, monday(today - timedelta(weeks=weeks)))
    reading = next(one for one in unique_readings(today) if one.name == UNIQUE_THINGS[0])
    assert (reading.weekly, reading.monthly) == (2, 4)


def test_an_estimate_of_many_is_close(store: Any) -> None:
    """Redis keeps 12 kB whatever the number; rows are exact."""
    week = monday(timezone.now().date())
    add_seen({UNIQUE_THINGS[0]: range(5000)}, week)
    assert abs(count_seen(UNIQUE_THINGS, [week])[UNIQUE_THINGS[0]] - 5000) <= 150


def test_a_store_that_is_away_fails_no_request(kas: Client, store: Any, monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    class Away:
        def add_to_estimate(self, *_: object) -> None:
            raise SharedStoreError("away")

        def estimate(self, *_: object) -> int:
            raise SharedStoreError("away")

    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(unique_store, "shared_store", Away)
    send(kas, USAGE, {"counters": {"k8s_api_proxy_request": 1}, "unique_counters": {UNIQUE_THINGS[0]: [1]}})
    assert totals() == {"k8s_api_proxy_request": 1}
    with pytest.raises(CommandError, match="The shared store is away"):
        call_command("agent_metrics", stdout=StringIO())


def test_what_was_counted_is_read_back(kas: Client, store: Any) -> None:
    send(kas, USAGE, {"counters": {"k8s_api_proxy_request": 5}, "unique_counters": {UNIQUE_THINGS[0]: [1, 2]}})
    UsageCounter.objects.create(name="k8s_api_proxy_request", day=timezone.now().date() - timedelta(days=40), value=7)
    out = StringIO()
    call_command("agent_metrics", "--json", stdout=out)
    told = json.loads(out.getvalue())
    assert told["counters"]["k8s_api_proxy_request"] == 12
    assert told["unique_counters"][UNIQUE_THINGS[0]] == {"name": UNIQUE_THINGS[0], "weekly": 2, "monthly": 2}
    assert set(told["unique_counters"]) == set(UNIQUE)
    out = StringIO()
    call_command("agent_metrics", stdout=out)
    assert [line.split() for line in out.getvalue().splitlines() if line.startswith("k8s_api_proxy_request ")] == [
        ["k8s_api_proxy_request", "12", "5"]
    ]


def test_a_fixed_number_of_statements(kas: Client, store: Any, ann: User, django_assert_max_num_queries: Any) -> None:
    body = {
        "counters": dict.fromkeys(COUNTERS, 1),
        "unique_counters": {key: [ann.pk, *range(900)] for key in (*UNIQUE_THINGS, *UNIQUE_USERS)},
    }
    with django_assert_max_num_queries(16):
        send(kas, USAGE, body)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_eight_threads_lose_nothing(store: Any) -> None:
    def count() -> None:
        for _ in range(25):
            increase_counters(dict.fromkeys(COUNTERS, 2))
        connection.close()

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert totals() == dict.fromkeys(COUNTERS, 400)
    UniqueUse.objects.all().delete()
