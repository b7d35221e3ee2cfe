"""What the database knows of the whole installation: always a page, at a cost that does not grow with the tables."""

from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from django.db import OperationalError, connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from prometheus_client.core import Metric

from internal_api import database_metrics, workers
from internal_api.database_metrics import database_exposition
from repositories.models import DeliveryLane, PendingPush, Project, PushEvent, Webhook
from tests.internal_api.growing_tables import DELIVERIES, EVENTS, GROWING, PUSHES, TASKS, Cost, fill, take_your_time
from tests.internal_api.test_metrics import told


def test_facts_that_cannot_be_read_are_left_out_and_named(stranger: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> Iterable[Metric]:
        raise OperationalError("canceling statement due to statement timeout")

    database_exposition()
    monkeypatch.setitem(database_metrics._collectors, "pushes", broken)  # noqa: SLF001  the registry has no way to take one back
    found = told(stranger, "/metrics/database")
    assert found["internal_api_database_facts", (("facts", "pushes"),)] == 0
    assert found["internal_api_database_facts", (("facts", "background work"),)] == 1
    assert ("internal_api_pending_pushes", ()) not in found
    assert ("internal_api_workers", ()) in found


@pytest.fixture
def unreachable(db: None) -> Iterator[None]:
    def refuse(*arguments: Any, **options: Any) -> None:
        raise OperationalError("connection refused")

    with pytest.MonkeyPatch.context() as patch:  # which ends before the test's transaction is rolled back
        patch.setattr(connections["default"], "cursor", refuse)
        yield


def test_a_database_that_is_away_is_told_by_both_pages(unreachable: None, stranger: Client) -> None:
    found = told(stranger, "/metrics/database")
    assert found["internal_api_database", (("state", "unreachable"),)] == 1
    assert {value for (name, _), value in found.items() if name == "internal_api_database_facts"} == {0}
    found = told(stranger)
    assert found["internal_api_database", (("state", "unreachable"),)] == 1
    assert found["internal_api_ready", (("check", "database"),)] == 0
    assert any(name == "internal_api_request_duration_seconds_count" for name, _ in found), "what was counted is told all the same"


def test_a_page_of_a_node_asks_the_database_only_how_it_is(stranger: Client, db: None) -> None:
    told(stranger)
    with CaptureQueriesContext(connection) as captured:
        told(stranger)
    assert not [
        query["sql"]
        for query in captured
        if "_" in query["sql"].replace("transaction_read_only", "").replace("busy_timeout", "").replace("user_version", "")
    ]


def test_nothing_is_counted_beyond_a_limit(db: None, monkeypatch: pytest.MonkeyPatch, stranger: Client, rockets: Project) -> None:
    monkeypatch.setattr(database_metrics, "MOST", 3)
    for number in range(5):
        PendingPush.objects.create(
            project=rockets, gl_repository="project-1", digest=str(number), packed_changes=b"", due_at=timezone.now()
        )
    assert told(stranger, "/metrics/database")["internal_api_pending_pushes", ()] == 3


@pytest.mark.postgresql
def test_the_pages_cost_the_same_whatever_the_tables_hold(db: None, rockets: Project) -> None:
    """Fifty thousand of each are as cheap as a thousand: rows and blocks that are read, and statements."""
    webhook = Webhook.objects.create(url="https://example.com/", project=rockets)
    lane = DeliveryLane.objects.create(webhook=webhook, project=rockets)
    push = PushEvent.objects.create(project=rockets, gl_repository="project-1")
    costs: list[Cost] = []
    Cost()  # the first page of a process also looks for missing migrations
    with connection.cursor() as cursor:
        for number in (1_000, 9_000, 40_000):
            take_your_time(cursor)
            cursor.execute(TASKS, ["FAILED", 10])
            fill(cursor, TASKS, ["SUCCESSFUL"], number)
            fill(cursor, DELIVERIES, [lane.pk, push.pk, "delivered"], number)
            fill(cursor, PUSHES, [rockets.pk], number)
            fill(cursor, EVENTS, [], number)
            for table in GROWING:
                cursor.execute(f"ANALYZE {table}")
            costs.append(Cost())
        assert len({cost.statements for cost in costs}) == 1
        assert costs[2].rows <= costs[1].rows + 100, [cost.rows for cost in costs]
        assert costs[2].buffers <= costs[1].buffers + 200, [cost.buffers for cost in costs]
        # And of twenty thousand that wait, no more is looked at than what is counted.
        take_your_time(cursor)
        fill(cursor, TASKS, ["READY"], 20_000)
        fill(cursor, DELIVERIES, [lane.pk, push.pk, "waiting"], 20_000)
        for table in GROWING:
            cursor.execute(f"ANALYZE {table}")
    assert Cost().rows <= 2.5 * database_metrics.MOST + costs[2].rows
    assert workers.queue_state().ready == database_metrics.MOST


@pytest.mark.postgresql
def test_sizes_are_estimates(stranger: Client, db: None, rockets: Project) -> None:
    with connection.cursor() as cursor:
        cursor.execute(PUSHES, [rockets.pk, 5_000])
        cursor.execute("ANALYZE repositories_pushevent")
    assert told(stranger, "/metrics/database")["internal_api_table_rows", (("table", "repositories_pushevent"),)] == 5_000
