"""Which pass runs a test."""

from typing import Any

import pytest

from tests.passes import PORTION, beyond_portion, runs_here


class Test:
    """A test with marks and fixtures."""

    __test__ = False

    def __init__(self, *marks: str, fixtures: tuple[str, ...] = (), nodeid: str = "") -> None:
        self.marks = marks
        self.nodeid = nodeid
        self.fixturenames = fixtures

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None


@pytest.mark.parametrize(
    ("test", "sqlite", "postgresql"),
    [
        (Test(), True, False),
        (Test("django_db"), True, True),
        (Test(fixtures=("shell", "db")), True, True),
        (Test(fixtures=("transactional_db",)), True, True),
        (Test("django_db", "once"), True, False),
        (Test("django_db", "postgresql"), False, True),
        (Test("postgresql"), False, True),
        (Test("live"), False, True),
        (Test("live", "postgresql"), False, True),
    ],
)
def test_a_test_runs_where_it_says_something_new(test: Any, sqlite: bool, postgresql: bool) -> None:
    assert runs_here(test, postgresql=False, live_on_sqlite=False) is sqlite
    assert runs_here(test, postgresql=True, live_on_sqlite=False) is postgresql


def test_without_postgresql_real_processes_are_started_on_sqlite() -> None:
    tests: list[Any] = [Test("live"), Test("live", "postgresql"), Test()]
    assert [runs_here(test, postgresql=False, live_on_sqlite=True) for test in tests] == [True, False, True]


def test_this_test_uses_no_database(request: pytest.FixtureRequest) -> None:
    assert not runs_here(request.node, postgresql=True, live_on_sqlite=False)


@pytest.mark.django_db
def test_this_test_uses_the_database(request: pytest.FixtureRequest) -> None:
    assert runs_here(request.node, postgresql=True, live_on_sqlite=False)


def test_postgresql_runs_a_tenth_of_each_enumeration_in_whatever_order() -> None:
    names = [f"{test}[{case:03}]" for test in ("one", "two") for case in range(25)]
    tests: list[Any] = [Test("django_db", "enumeration", nodeid=name) for name in [*names, "three"]]
    others: list[Any] = [Test("django_db", nodeid=f"other[{case}]") for case in range(5)]
    left_out = beyond_portion([*tests, *others], postgresql=True)
    run = {test.nodeid for test in tests} - left_out
    assert run == {"three", *(f"{test}[{case:03}]" for test in ("one", "two") for case in range(0, 25, PORTION))}
    assert beyond_portion([*others, *reversed(tests)], postgresql=True) == left_out
    assert left_out.isdisjoint(test.nodeid for test in others)
    assert beyond_portion([*tests, *others], postgresql=False) == set()
