"""Which of the two passes runs a test: the one on SQLite, the one on PostgreSQL and Redis, or both.

* Both: whatever uses the database.
* SQLite's alone: what is marked `once`, and what uses no database: it would say the same thing twice. A test uses the database if it
  is marked `django_db` or has a fixture that depends on `db` or `transactional_db`; pytest-django lets no other test connect. One
  that asks Redis depends on the fixture `store`, and so on `db`.
* SQLite's whole, and PostgreSQL's a tenth of the cases of each test: what is marked `enumeration`, the same SQL statements asked with
  hundreds of parameters.
* PostgreSQL's alone: what is marked `postgresql` or `live`.
* Neither: what is marked `deployment`, whole machines and fleets; `make deployment` runs it, and nothing else then.

At its end the pass on PostgreSQL tells how many tests ran in the other one only.
"""

import os
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import pytest

POSTGRESQL = os.environ.get("DATABASE_URL", "").startswith("postgres")
LIVE_ON_SQLITE = bool(os.environ.get("LIVE_ON_SQLITE"))
DEPLOYMENT = bool(os.environ.get("DEPLOYMENT"))
PORTION = 10
"""PostgreSQL runs one of so many cases of an enumeration."""
ELSEWHERE = pytest.StashKey[int]()


def uses_database(item: pytest.Item) -> bool:
    """Whether a test may connect to the database."""
    fixtures: Sequence[str] = getattr(item, "fixturenames", ())
    return item.get_closest_marker("django_db") is not None or not {"db", "transactional_db"}.isdisjoint(fixtures)


def is_marked(item: pytest.Item, *names: str) -> bool:
    """Whether a test has one of the marks."""
    return any(item.get_closest_marker(name) for name in names)


def runs_here(
    item: pytest.Item, *, postgresql: bool = POSTGRESQL, live_on_sqlite: bool = LIVE_ON_SQLITE, deployment: bool = DEPLOYMENT
) -> bool:
    """Whether this pass runs the test."""
    if deployment or is_marked(item, "deployment"):
        return deployment and is_marked(item, "deployment")
    if postgresql:
        return is_marked(item, "postgresql", "live") or (not is_marked(item, "once") and uses_database(item))
    return not is_marked(item, "postgresql") and (live_on_sqlite or not is_marked(item, "live"))


def beyond_portion(items: Sequence[pytest.Item], *, postgresql: bool = POSTGRESQL) -> set[str]:
    """Return the ids of the cases of enumerations that this pass leaves out.

    PostgreSQL runs every tenth case of each test in the order of their ids, whatever the order of the run: every worker has to agree.
    """
    cases: dict[str, list[str]] = defaultdict(list)
    for item in items:
        if postgresql and is_marked(item, "enumeration"):
            cases[item.nodeid.partition("[")[0]].append(item.nodeid)
    return {nodeid for ids in cases.values() for place, nodeid in enumerate(sorted(ids)) if place % PORTION}


def select(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what another pass runs."""
    beyond = beyond_portion(items)
    left_out = [item for item in items if item.nodeid in beyond or not runs_here(item)]
    config.hook.pytest_deselected(items=left_out)
    config.stash[ELSEWHERE] = sum(not is_marked(item, "deployment") for item in left_out)
    kept = set(items).difference(left_out)
    items[:] = [item for item in items if item in kept]


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A parallel worker tells how many tests it left out."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["elsewhere"] = session.config.stash.get(ELSEWHERE, 0)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Each worker has collected all tests: one's number is everybody's."""
    node.config.stash[ELSEWHERE] = getattr(node, "workeroutput", {}).get("elsewhere", 0)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Tell it in one line."""
    number = config.stash.get(ELSEWHERE, 0)
    if POSTGRESQL and number:
        terminalreporter.write_line(f"{number} tests run on SQLite only: they use no database, or it makes no difference to them.")
