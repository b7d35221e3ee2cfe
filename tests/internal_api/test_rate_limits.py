"""Counting in steps: what a process tells the others, and what it refuses (contract: allowed 8.3)."""

import threading
from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings

from internal_api import rate_limits
from internal_api.errors import TooManyRequestsError


class AllProcesses:
    """Stands for Redis: one number, and what this process has told."""

    def __init__(self) -> None:
        self.number = 0
        self.told: list[int] = []
        self.lock = threading.Lock()

    def count_in_window(self, key: str, life: int, number: int) -> int:
        with self.lock:
            self.told.append(number)
            self.number += number
            return self.number


@pytest.fixture
def all_processes(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[AllProcesses]:
    settings.REDIS_URL = "redis://localhost/1"
    counted = AllProcesses()
    monkeypatch.setattr(rate_limits, "shared_store", lambda: counted)
    monkeypatch.setattr(rate_limits, "time", type("Clock", (), {"time": staticmethod(lambda: 1_700_000_030.0)}))
    rate_limits.forget()
    yield counted
    rate_limits.forget()


def refused(threshold: int, times: int) -> int:
    """How many of so many requests are refused."""
    number = 0
    for _ in range(times):
        try:
            rate_limits.limit("somebody", threshold, "ann")
        except TooManyRequestsError:
            number += 1
    return number


def test_others_are_told_in_steps_of_a_hundredth(all_processes: AllProcesses) -> None:
    assert refused(600, 20) == 0
    assert all_processes.told == [6, 6, 6]


def test_a_small_limit_is_counted_one_by_one(all_processes: AllProcesses) -> None:
    assert refused(3, 5) == 2
    assert all_processes.told == [1, 1, 1, 1, 1]


def test_one_process_alone_refuses_exactly_what_is_above_the_limit(all_processes: AllProcesses) -> None:
    assert refused(600, 600) == 0
    assert refused(600, 10) == 10


def test_what_others_counted_is_known_from_the_next_step_on_and_between_two(all_processes: AllProcesses) -> None:
    all_processes.number = 700
    assert refused(600, 5) == 0, "not known yet: less than a step late"
    assert refused(600, 6) == 6, "known from the sixth on, and remembered until the next step"


def test_threads_lose_no_request(all_processes: AllProcesses) -> None:
    threads = [threading.Thread(target=refused, args=(10_000, 500)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all_processes.number == 3000
    assert refused(10_000, 1) == 0
