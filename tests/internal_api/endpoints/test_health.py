"""GET /livez and /readyz, and their aliases (decisions 21a)."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from internal_api import health


@pytest.mark.parametrize("path", ["/livez", "/-/liveness"])
def test_a_process_that_answers_is_alive(stranger: Client, path: str) -> None:
    """Without the database."""
    response = stranger.get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/readyz", "/-/readiness"])
def test_one_with_all_it_needs_is_ready(stranger: Client, db: None, path: str) -> None:
    response = stranger.get(path)
    expected = {"status": "ok", "checks": {"database": True, "migrations": True, "shared_store": True}, "database": "read-write"}
    assert (response.status_code, response.json()) == (200, expected)


@pytest.mark.parametrize("missing", ["database", "migrations", "shared_store"])
def test_what_is_missing_is_named(stranger: Client, db: None, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(health._CHECKS, missing, lambda: False)  # noqa: SLF001  one of three, as if it were away
    response = stranger.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "failed")
    assert [name for name, well in response.json()["checks"].items() if not well] == [missing]


def test_a_database_that_is_away_is_not_ready(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def cursor(self) -> Any:
            raise OperationalError("away")

    health._migrated.clear()  # noqa: SLF001  as in a process that has just started
    monkeypatch.setattr(health, "connection", Away())
    monkeypatch.setattr(health, "MigrationExecutor", lambda _: Away().cursor())
    assert health.readiness()["database"] is False
    assert health.readiness()["migrations"] is False


def test_a_migration_that_is_missing_is_not_ready(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Behind:
        def __init__(self, _: Any) -> None:
            self.loader = self.graph = self

        def leaf_nodes(self) -> list[Any]:
            return []

        def migration_plan(self, _: Any) -> list[Any]:
            return ["one more"]

    health._migrated.clear()  # noqa: SLF001  as in a process that has just started
    monkeypatch.setattr(health, "MigrationExecutor", Behind)
    assert health.readiness()["migrations"] is False
