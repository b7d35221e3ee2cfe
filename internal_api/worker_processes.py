"""Several processes that do the same work, under one that starts them and outlives them.

The first process forks the others after it has loaded the code, which they share, and does no work
itself. One that ends without being told is replaced, later each time it happens soon again.
Imports nothing that opens connections: what is open before a fork would be shared.
"""

import logging
import os
import signal
import time
from collections.abc import Callable
from types import FrameType

from internal_api.backoff import backoff

logger = logging.getLogger(__name__)
_WELL_AFTER = 60.0
"""Seconds of life after which an end is not counted with those before it."""


class WorkerProcesses:
    """Runs `work` in a number of processes until told to stop by SIGTERM or SIGINT."""

    def __init__(self, number: int, work: Callable[[int], None], ended: Callable[[int, int, bool], None] = lambda *_: None) -> None:
        """`work` is called in each process with its position, from 0, and returns when it is told to stop by a signal.

        `ended` is called in the first process for each that has ended: its id, its exit code, and whether it was told to end.
        """
        self._number, self._work, self._ended = number, work, ended
        self._positions: dict[int, int] = {}
        self._started: dict[int, float] = {}
        self._ends_in_a_row = 0
        self._is_stopping = False

    def run(self) -> None:
        """Start them, replace those that end, and return when all have ended after a signal."""
        for told in (signal.SIGTERM, signal.SIGINT):
            signal.signal(told, self._stop)
        for position in range(self._number):
            self._start(position)
        while self._positions:
            pid, status = os.wait()
            if pid not in self._positions:
                continue  # an orphan, which the first process of a container is given
            position = self._positions.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            self._ended(pid, code, self._is_stopping)
            if not self._is_stopping:
                self._replace(pid, position, code)

    def _replace(self, pid: int, position: int, code: int) -> None:
        lived = time.monotonic() - self._started.pop(position)
        self._ends_in_a_row = 1 if lived > _WELL_AFTER else self._ends_in_a_row + 1
        again = self._ends_in_a_row - 1
        seconds = backoff(again, base=1.0, longest=30.0) if again else 0.0
        ended = f"signal {-code}" if code < 0 else f"status {code}"
        logger.error("Worker process %s has ended with %s; another starts in %.0f s", pid, ended, seconds)
        end = time.monotonic() + seconds
        while not self._is_stopping and time.monotonic() < end:
            time.sleep(0.2)  # a signal that comes meanwhile is handled, and then slept on
        self._start(position)

    def _start(self, position: int) -> None:
        # A signal between the look and the fork would be told to all processes but this one.
        signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGINT))
        try:
            if self._is_stopping:
                return
            pid = os.fork()
            if not pid:
                self._be(position)
            self._positions[pid], self._started[position] = position, time.monotonic()
        finally:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))

    def _be(self, position: int) -> None:
        """Be one of the processes, to its end."""
        code = 1
        try:
            for told in (signal.SIGTERM, signal.SIGINT):
                signal.signal(told, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))
            self._work(position)
            code = 0
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        except BaseException:
            logger.exception("A worker process has failed")
        finally:
            os._exit(code)  # the first process's own clean-up is not this one's

    def _stop(self, signum: int, frame: FrameType | None) -> None:
        self._is_stopping = True
        for pid in self._positions:
            os.kill(pid, signal.SIGTERM)
