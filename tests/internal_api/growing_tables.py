"""Filling the tables that grow, and what the pages of metrics read from them, for a test and for a benchmark."""

import json
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

from internal_api import node_metrics
from internal_api.database_metrics import database_exposition

TASKS = """
INSERT INTO django_tasks_database_dbtaskresult (id, status, enqueued_at, args_kwargs, priority, task_path, worker_ids, queue_name,
  backend_name, run_after, exception_class_path, traceback)
SELECT gen_random_uuid(), %s, now(), '{}', 0, 'x', '[]', 'default', 'default', '9999-01-01T00:00:00Z', '', ''
FROM generate_series(1, %s)
"""
DELIVERIES = """
INSERT INTO repositories_webhookdelivery (lane_id, push_event_id, position, event, ref, payload, idempotency_key, state, attempts,
  next_attempt_at, response_headers, response_body, error, created_at)
SELECT %s, %s, nextval(pg_get_serial_sequence('repositories_webhookdelivery', 'id')), 'push', '', jsonb_build_object('x', repeat('x', 500)),
  gen_random_uuid(), %s, 1, now(), '{}', '', '', now()
FROM generate_series(1, %s) AS number
"""
PUSHES = """
INSERT INTO repositories_pushevent (project_id, gl_repository, identifier, changes, push_options, gitaly_context, correlation_id, response,
  created_at, followed_at, recovered)
SELECT %s, 'project-1', 'user-1', '[]', '{}', '{}', '', '{}', now(), now(), number %% 5000 = 0
FROM generate_series(1, %s) AS number
"""
EVENTS = """
INSERT INTO internal_api_auditevent (created_at, action, actor_kind, author_name, credential, operation, entity_type, entity_id, entity_path,
  ip_address, correlation_id, changes, details)
SELECT now(), 'push', 'service', 'ann', '', 'POST /api/v4/internal/post_receive', 'Project', number, 'acme/rockets', '127.0.0.1', '', '{}', '{}'
FROM generate_series(1, %s) AS number
"""
GROWING = ("internal_api_auditevent", "django_tasks_database_dbtaskresult", "repositories_webhookdelivery", "repositories_pushevent")


class Cost:
    """What the pages read from the growing tables: rows and buffers, by EXPLAIN ANALYZE of each of their queries."""

    def __init__(self) -> None:
        self.rows = self.buffers = self.statements = 0
        for page in (node_metrics.node_exposition, database_exposition):
            with CaptureQueriesContext(connection) as captured:
                page()
            for sql in [query["sql"] for query in captured if query["sql"].startswith("SELECT")]:
                self.statements += 1
                if any(table in sql for table in GROWING):
                    self._explain(sql)

    def _explain(self, sql: str) -> None:
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}")
            found = cursor.fetchone()[0]
        plan = (json.loads(found) if isinstance(found, str) else found)[0]["Plan"]
        self.buffers += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        self._count_rows(plan)

    def _count_rows(self, node: dict[str, Any]) -> None:
        if "Relation Name" in node:
            self.rows += node["Actual Rows"] + node.get("Rows Removed by Filter", 0)
        for child in node.get("Plans", ()):
            self._count_rows(child)


def take_your_time(cursor: Any) -> None:
    """The limit of a page's queries lasts as long as its transaction, which here is the test's."""
    cursor.execute("SET LOCAL statement_timeout = 0")


def fill(cursor: Any, sql: str, parameters: list[Any], number: int) -> None:
    """Insert rows, a few thousand at a time: a statement of a minute would lose its connection (internal_api/postgresql/watch.py)."""
    for first in range(0, number, 5_000):
        cursor.execute(sql, [*parameters, min(5_000, number - first)])
