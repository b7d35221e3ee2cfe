"""The time that one decision may take, and what took it (contract: allowed 5.9, decisions 24)."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from django.conf import settings

from internal_api.errors import UnavailableError
from repositories.gitaly.errors import GitalyTooSlowError
from repositories.policy import Change

_HEADING = "Push operation timed out\n\nTiming information for debugging purposes:\n"
FORCE_PUSH = "Checking if you are force pushing to a protected branch..."
PROTECTED_BRANCH_CREATION = "Checking if you are allowed to create a protected branch..."
LFS_OBJECTS = "Scanning repository for blobs stored in LFS and verifying their files have been uploaded to GitLab..."


class PushTimedOutError(UnavailableError):
    """The decision took too long; the pusher reads what took it."""


class TimedLog:
    """The clock of one decision. The sections of its work are timed, and none begins when the time is over."""

    def __init__(self, changes: Sequence[Change] = (), clock: Callable[[], float] = time.monotonic) -> None:
        self._changes = changes
        self._clock = clock
        self._end = clock() + settings.DECISION_SECONDS
        self._sections: list[str] = []

    def seconds_left(self) -> float:
        """How long the next call may take; raises PushTimedOutError when nothing is left."""
        left = self._end - self._clock()
        if left <= 0:
            raise self._timed_out()
        return left

    def question_seconds(self) -> float:
        """How long one question to Gitaly may take: far less than all (contract: decisions 23a). Raises PushTimedOutError."""
        return min(self.seconds_left(), settings.GITALY_TIMEOUT)

    @contextmanager
    def section(self, text: str) -> Iterator[None]:
        """Time a part of the work. Raises PushTimedOutError when it cannot begin, or when Gitaly does not finish in time."""
        started = self._clock()
        if started >= self._end:
            self._sections.append(f"{text} (cancelled)")
            raise self._timed_out()
        try:
            yield
        except GitalyTooSlowError as error:
            self._sections.append(f"{text} (cancelled after {self._milliseconds(started)}ms)")
            raise self._timed_out() from error
        self._sections.append(f"{text} ({self._milliseconds(started)}ms)")

    def _milliseconds(self, started: float) -> float:
        return round((self._clock() - started) * 1000, 2)

    def _timed_out(self) -> PushTimedOutError:
        refs = [f"Running checks for ref: {change.branch or change.tag or ''}" for change in self._changes]
        return PushTimedOutError(_HEADING + "\n".join([*refs, *self._sections]))
