"""Who gets a place, who waits for one, and who is refused (contract: decisions 23a)."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from internal_api.bulkhead import PATIENCE, Bulkhead, NoPlaceError

GUARD = 30
"""Seconds after which a test that hangs fails."""


class Clock(threading.Condition):
    """Time that passes while somebody waits, as far as it is allowed to; the condition of a bulkhead at once."""

    now = 100.0
    passes = True

    def __call__(self) -> float:
        return self.now

    def wait(self, timeout: float | None = None) -> bool:
        if self.passes:
            self.now += timeout or 0
            return super().wait(0)
        return super().wait(0.01)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def bulkhead(threads: int, clock: Clock) -> Bulkhead:
    return Bulkhead(threads, clock, clock)


@contextmanager
def occupied(bulkhead: Bulkhead, *names: str) -> Iterator[list[threading.Event]]:
    """Other threads inside, one for each name, until their events are set or the block ends."""
    leave = [threading.Event() for _ in names]

    def stay(name: str, entered: threading.Event, left: threading.Event) -> None:
        with bulkhead.place(name):
            entered.set()
            assert left.wait(GUARD)

    with ThreadPoolExecutor(len(names)) as pool:
        stays = []
        try:
            for name, left in zip(names, leave, strict=True):
                entered = threading.Event()
                stays.append(pool.submit(stay, name, entered, left))
                assert entered.wait(GUARD)
            yield leave
        finally:
            for left in leave:
                left.set()
        for one in stays:
            one.result(GUARD)


def enter(bulkhead: Bulkhead, name: str, seconds: float = PATIENCE) -> None:
    with bulkhead.place(name, seconds):
        pass


@pytest.mark.parametrize(
    ("threads", "places", "of_one", "seats"), [(1, 1, 1, 0), (2, 1, 1, 0), (4, 2, 1, 1), (8, 4, 3, 2), (16, 8, 6, 4), (64, 32, 24, 16)]
)
def test_sizes_follow_from_the_threads(threads: int, places: int, of_one: int, seats: int) -> None:
    made = Bulkhead(threads)
    assert (made.places, made.places_of_one, made.seats) == (places, of_one, seats)
    if threads >= 4:
        assert made.places + made.seats <= threads * 3 // 4, "a quarter is never taken"


def test_one_slow_service_leaves_a_place_to_the_others(clock: Clock) -> None:
    full = bulkhead(8, clock)
    with occupied(full, "slow", "slow", "slow"):
        with pytest.raises(NoPlaceError):
            enter(full, "slow")
        enter(full, "other")
    enter(full, "slow")


def test_a_caller_waits_two_seconds_and_no_longer(clock: Clock) -> None:
    full = bulkhead(8, clock)
    with occupied(full, "slow", "slow", "slow"):
        began = clock.now
        with pytest.raises(NoPlaceError):
            enter(full, "slow", 30)
        assert clock.now - began == pytest.approx(PATIENCE)
        began = clock.now
        with pytest.raises(NoPlaceError):
            enter(full, "slow", 0.3)
        assert clock.now - began == pytest.approx(0.3)


def test_places_of_all_services_together_are_half_of_the_threads(clock: Clock) -> None:
    full = bulkhead(8, clock)
    with occupied(full, "a", "a", "b", "b"), pytest.raises(NoPlaceError):
        enter(full, "c")
    enter(full, "c")


def test_a_place_that_becomes_free_is_taken(clock: Clock) -> None:
    full = bulkhead(8, clock)
    clock.passes = False
    with occupied(full, "slow", "slow", "slow") as leave, ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(enter, full, "slow")
        with pytest.raises(TimeoutError):
            waiting.result(0.1)
        leave[0].set()
        waiting.result(GUARD)


def test_without_a_seat_nobody_waits_for_slow_callers(clock: Clock) -> None:
    """Of 8 threads one waits on the seat of one service, the next are refused at once."""
    full = bulkhead(8, clock)
    clock.passes = False
    with occupied(full, "slow", "slow", "slow") as leave, ThreadPoolExecutor(2) as pool:
        clock.now += 0.5
        seated: list[Future[None]] = [pool.submit(enter, full, "slow")]
        with pytest.raises(TimeoutError):
            seated[0].result(0.1)
        with pytest.raises(NoPlaceError):
            enter(full, "slow")
        leave[0].set()
        seated[0].result(GUARD)


def test_without_a_seat_a_caller_waits_for_quick_ones(clock: Clock) -> None:
    """A burst of pushes is served by a Gitaly that answers."""
    full = bulkhead(8, clock)
    clock.passes = False
    with occupied(full, "quick", "quick", "quick") as leave, ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(enter, full, "quick") for _ in range(4)]
        with pytest.raises(TimeoutError):
            waiting[-1].result(0.1)
        leave[0].set()
        for one in waiting:
            one.result(GUARD)


def test_a_thread_with_a_place_keeps_it(clock: Clock) -> None:
    small = bulkhead(2, clock)
    with small.place("a"), small.place("a"):
        pass
    enter(small, "b")


def test_an_error_inside_frees_the_place(clock: Clock) -> None:
    small = bulkhead(2, clock)
    with pytest.raises(ZeroDivisionError), small.place("a"):
        _ = 1 / 0
    enter(small, "a")
