"""When a service that fails is left alone, and how it is found again."""

import pytest

from internal_api.circuit_breaker import CircuitBreaker, CircuitOpenError


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> CircuitBreaker:
    return CircuitBreaker(3, 5.0, clock)


def fail(breaker: CircuitBreaker, times: int) -> None:
    for _ in range(times):
        breaker.admit()
        breaker.failed()


def test_failures_in_a_row_open_it(breaker: CircuitBreaker) -> None:
    fail(breaker, 2)
    breaker.admit()
    breaker.succeeded()
    fail(breaker, 2)
    breaker.admit()
    breaker.failed()
    with pytest.raises(CircuitOpenError):
        breaker.admit()


def test_after_the_pause_one_caller_probes(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 4.9
    with pytest.raises(CircuitOpenError):
        breaker.admit()
    clock.now += 0.1
    breaker.admit()
    with pytest.raises(CircuitOpenError):
        breaker.admit()
    breaker.succeeded()
    breaker.admit()
    breaker.admit()


def test_a_failed_probe_opens_it_again(breaker: CircuitBreaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 5
    breaker.admit()
    breaker.failed()
    with pytest.raises(CircuitOpenError):
        breaker.admit()
    clock.now += 5
    breaker.admit()
    breaker.succeeded()
    fail(breaker, 2)
    assert not breaker.is_open, "failures are counted from the beginning again"


def test_it_says_whether_it_is_open(breaker: CircuitBreaker, clock: Clock) -> None:
    said = [breaker.is_open]
    fail(breaker, 3)
    said.append(breaker.is_open)
    clock.now += 5
    said.append(breaker.is_open)
    breaker.admit()
    said.append(breaker.is_open)
    assert said == [False, True, False, True]


def test_a_late_success_of_an_earlier_caller_closes_it(breaker: CircuitBreaker) -> None:
    fail(breaker, 3)
    breaker.succeeded()
    breaker.admit()
