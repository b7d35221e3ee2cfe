"""GET /livez and /readyz, and their aliases (decisions 21a)."""

from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client

from internal_api import health
from internal_api.health import Status
from internal_api.shared_store import StoreState
from internal_api.shared_store.database import DatabaseStore


@pytest.mark.parametrize("path", ["/livez", "/-/liveness"])
def test_a_process_that_answers_is_alive(stranger: Client, path: str) -> None:
    """Without the database."""
    response = stranger.get(path)
    assert (response.status_code, response.json()) == (200, {"status": "ok"})


@pytest.mark.parametrize("path", ["/readyz", "/-/readiness"])
def test_one_with_all_it_needs_is_ready(stranger: Client, db: None, path: str) -> None:
    response = stranger.get(path)
    checks = {"database": True, "migrations": True, "shared_store": True}
    expected = {"status": "ok", "checks": checks, "database": "read-write", "shared_store": "ready"}
    assert (response.status_code, response.json()) == (200, expected)


@pytest.mark.parametrize("missing", ["database", "migrations"])
def test_what_is_missing_is_named(stranger: Client, db: None, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    monkeypatch.setitem(health._CHECKS, missing, lambda: False)  # noqa: SLF001  one of two, as if it were away
    response = stranger.get("/readyz")
    assert (response.status_code, response.json()["status"]) == (503, "failed")
    assert [name for name, well in response.json()["checks"].items() if not well] == [missing]


@pytest.mark.parametrize("state", [StoreState.UNREACHABLE, StoreState.FULL, StoreState.READ_ONLY])
def test_without_redis_it_is_ready_and_degraded(stranger: Client, db: None, monkeypatch: pytest.MonkeyPatch, state: StoreState) -> None:
    """Or a Redis that is gone would take every node out of the load balancer at once."""
    monkeypatch.setattr(health, "shared_store", type("Redis", (DatabaseStore,), {"state": lambda self: state}))
    response = stranger.get("/readyz")
    found = response.json()
    assert (response.status_code, found["status"], found["shared_store"]) == (200, "degraded", state.value)
    assert found["checks"] == {"database": True, "migrations": True, "shared_store": False}


def test_a_node_that_is_about_to_stop_is_alive_and_not_ready(stranger: Client, db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "is_draining", lambda: True)
    response = stranger.get("/readyz")
    assert (response.status_code, response.json()["status"], set(response.json()["checks"].values())) == (503, "draining", {True})
    assert stranger.get("/livez").status_code == 200


def test_a_database_that_is_away_is_not_ready(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        def cursor(self) -> Any:
            raise OperationalError("away")

    health._migrated.clear()  # noqa: SLF001  as in a process that has just started
    monkeypatch.setattr(health, "connection", Away())
    monkeypatch.setattr(health, "MigrationExecutor", lambda _: Away().cursor())
    found = health.node_state()
    assert (found.status, found.checks["database"], found.checks["migrations"]) == (Status.FAILED, False, False)
    assert not found.is_ready


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
    found = health.node_state()
    assert (found.status, found.checks["migrations"], found.is_ready) == (Status.FAILED, False, False)
