"""A decision that takes too long says what took it (contract: allowed 5.9, 10.6 #152, 10.15 #376, #377)."""

import pytest

from repositories.gitaly.errors import GitalyTooSlowError, GitalyUnavailableError
from repositories.policy import Change
from repositories.services.timed_log import PushTimedOutError, TimedLog

HEADING = "Push operation timed out\n\nTiming information for debugging purposes:\n"
OLD, NEW = "1" * 40, "2" * 40


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_what_is_finished_is_timed_and_what_never_began_is_cancelled(clock: Clock) -> None:
    """#376, #377."""
    log = TimedLog([Change(OLD, NEW, "refs/heads/wow"), Change(OLD, NEW, "refs/tags/v1"), Change(OLD, NEW, "refs/notes/x")], clock)
    with log.section("Foo message..."):
        clock.now += 30
    assert log.seconds_left() == 20
    clock.now += 20
    with pytest.raises(PushTimedOutError) as caught, log.section("Bar message..."):
        raise AssertionError("it never begins")
    refs = "Running checks for ref: wow\nRunning checks for ref: v1\nRunning checks for ref: \n"
    assert caught.value.message == f"{HEADING}{refs}Foo message... (30000.0ms)\nBar message... (cancelled)"
    assert caught.value.status == 503


def test_what_git_did_not_finish_is_cancelled_after_its_time(clock: Clock) -> None:
    log = TimedLog([], clock)

    def hang() -> None:
        with log.section("Foo message..."):
            clock.now += 0.125
            raise GitalyTooSlowError

    with pytest.raises(PushTimedOutError) as caught:
        hang()
    assert caught.value.message == f"{HEADING}Foo message... (cancelled after 125.0ms)"


def test_without_any_time_left_no_call_is_made(clock: Clock) -> None:
    """#152."""
    log = TimedLog([Change(OLD, NEW, "refs/heads/wow")], clock)
    clock.now += 50
    with pytest.raises(PushTimedOutError) as caught:
        log.seconds_left()
    assert caught.value.message == f"{HEADING}Running checks for ref: wow"


def test_another_failure_is_not_a_time_out(clock: Clock) -> None:
    with pytest.raises(GitalyUnavailableError), TimedLog([], clock).section("Foo message..."):
        raise GitalyUnavailableError
