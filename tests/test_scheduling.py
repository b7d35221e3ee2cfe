"""How the tests are spread over parallel workers: which ones stay together, and which ones are begun first."""

from types import SimpleNamespace
from typing import Any

import pytest

from tests import scheduling
from tests.live.service import ROOT

SHORT = [f"tests/accounts/test_short.py::test_{number}" for number in range(9)]
LONG = [f"tests/live/test_faults.py::test_{number}" for number in range(3)]
SHARED = ["tests/live/test_kas.py::test_kas", "tests/live/test_hooks.py::test_hooks", "tests/live/test_hooks.py::test_others"]


class Worker:
    """What the scheduler sees of a worker; `given` are the numbers of the tests that it was sent."""

    shutting_down = False
    gateway = SimpleNamespace(id="worker")

    def __init__(self) -> None:
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def config(workers: int) -> Any:
    return SimpleNamespace(getvalue=lambda name: ["popen"] * workers, option=SimpleNamespace(loadscopereorder=True), rootpath=ROOT)


def started(collection: list[str], workers: int) -> tuple[scheduling.Units, list[Any]]:
    """A scheduler that has given each worker its first tests."""
    scheduler = scheduling.Units(config(workers))
    running: list[Any] = [Worker() for _ in range(workers)]
    for worker in running:
        scheduler.add_node(worker)
        scheduler.add_node_collection(worker, collection)
    scheduler.schedule()
    return scheduler, running


def names(worker: Worker, collection: list[str]) -> list[str]:
    return [collection[index] for index in worker.given]


def test_each_worker_begins_with_one_long_unit_and_has_a_short_one_next() -> None:
    collection = sorted([*SHORT, *LONG, *SHARED], key=scheduling.rank)
    _, workers = started(collection, 3)
    given = [names(worker, collection) for worker in workers]
    assert given[0] == SHARED, "three tests are enough ahead"
    assert [one[0] for one in given[1:]] == LONG[:2]
    assert all(one[1] in SHORT for one in given[1:])


def test_every_test_is_run_once() -> None:
    collection = sorted([*SHORT, *LONG, *SHARED], key=scheduling.rank)
    scheduler, workers = started(collection, 2)
    done = [0, 0]
    while any(len(worker.given) > done[number] for number, worker in enumerate(workers)):
        for number, worker in enumerate(workers):
            if len(worker.given) > done[number]:
                scheduler.mark_test_complete(worker, worker.given[done[number]])
                done[number] += 1
    assert sorted(names(workers[0], collection) + names(workers[1], collection)) == sorted(collection)
    assert all(worker.shutting_down for worker in workers)
    assert not scheduler.has_pending
    assert scheduler.tests_finished


def test_tests_of_a_worker_that_died_are_given_to_another() -> None:
    collection = sorted([*SHORT, *SHARED], key=scheduling.rank)
    scheduler, workers = started(collection, 2)
    scheduler.mark_test_complete(workers[0], workers[0].given[0])
    assert scheduler.remove_node(workers[0]) == SHARED[1]
    waiting = [nodeid for unit in scheduler.workqueue.values() for nodeid in unit]
    assert {*SHARED[1:]} <= {*waiting, *names(workers[1], collection)}


@pytest.mark.parametrize(
    "name", sorted({*scheduling.LONGEST_FIRST, *scheduling.SHARING, *scheduling.TOGETHER} - {scheduling.SHARED_SERVICE})
)
def test_the_modules_that_are_named_exist(name: str) -> None:
    assert (ROOT / name).exists()
