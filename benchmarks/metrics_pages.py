"""What /metrics and /metrics/database cost with full tables beside empty ones, on PostgreSQL. Run with `make bench-metrics`.

ROWS is the number of rows of all tables together: four parts of nine deliveries, two of pushes, two of tasks, one of audit events.
Blocks and rows are those that the pages' queries read, by EXPLAIN ANALYZE. Nothing is asserted: the figures are for people.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings.test")
os.environ.setdefault("LOG_LEVEL", "WARNING")
django.setup()

from django.core.management import call_command  # noqa: E402  after the set-up
from django.db import connection  # noqa: E402  likewise

from internal_api.database_metrics import database_exposition  # noqa: E402  likewise
from internal_api.node_metrics import node_exposition  # noqa: E402  likewise
from internal_api.seeding import seed  # noqa: E402  likewise
from repositories.models import DeliveryLane, Project, PushEvent, Webhook  # noqa: E402  likewise
from tests.internal_api.growing_tables import DELIVERIES, EVENTS, GROWING, PUSHES, TASKS, Cost, fill  # noqa: E402  likewise

ROWS = int(os.environ.get("ROWS", "900000"))
TIMES = 30


def _milliseconds(page: Callable[[], bytes]) -> str:
    """The median, and the processor's share of it, of this process alone."""
    page()
    wall, cpu = [], []
    for _ in range(TIMES):
        started, before = time.perf_counter(), time.process_time()
        page()
        wall.append((time.perf_counter() - started) * 1000)
        cpu.append((time.process_time() - before) * 1000)
    return f"{statistics.median(wall):.1f} | {max(wall):.1f} | {statistics.median(cpu):.1f}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _measure(name: str) -> None:
    for label, page in (("/metrics", node_exposition), ("/metrics/database", database_exposition)):
        _say(f"| {name} | {label} | {_milliseconds(page)} |")
    cost = Cost()
    _say(f"| {name} | both | {cost.statements} queries, {cost.rows} rows and {cost.buffers} blocks of the growing tables | | |")


def _fill_tables(project: Project) -> None:
    webhook = Webhook.objects.create(url="https://example.com/", project=project)
    lane = DeliveryLane.objects.create(webhook=webhook, project=project)
    push = PushEvent.objects.create(project=project, gl_repository="project-1")
    part = ROWS // 9
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = 0")
        fill(cursor, DELIVERIES, [lane.pk, push.pk, "delivered"], 4 * part)
        fill(cursor, PUSHES, [project.pk], 2 * part)
        fill(cursor, TASKS, ["SUCCESSFUL"], 2 * part)
        fill(cursor, EVENTS, [], part)
        for table in GROWING:
            cursor.execute(f"VACUUM ANALYZE {table}")
            cursor.execute("SELECT pg_total_relation_size(%s) / 1000000", [table])
            _say(f"{table}: {cursor.fetchone()[0]} MB")


def main() -> None:
    """Print the figures."""
    call_command("migrate", verbosity=0)
    seed([{"storages": [{"name": "default"}], "groups": [{"path": "acme"}], "projects": [{"path": "acme/rockets"}]}], options=["rows_only"])
    head = "\n| rows | page | ms, median | ms, most | CPU ms |\n|--:|---|--:|--:|--:|"
    _say(head)
    _measure("0")
    started = time.monotonic()
    _fill_tables(Project.objects.get())
    _say(f"{ROWS} rows in {time.monotonic() - started:.0f} s; load {os.getloadavg()[0]:.0f}{head}")
    _measure(f"{ROWS:,}")


if __name__ == "__main__":
    main()
