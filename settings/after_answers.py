"""What is left to do for a connection when its thread has gone: an answer that is held back, and closing without losing the last answer.

gunicorn's own does the second in the thread that accepts connections, two seconds for each client that does not close its end.
One thread of each process does both here, for any number of connections.
"""

import heapq
import itertools
import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)
LINGER_SECONDS = 2.0
"""How long a closed connection is read from: what is unread there would make the kernel drop the last answer (RFC 9112, 9.6)."""
MOST_READ = 64 * 1024
_IDLE_SECONDS = 60.0


@dataclass
class _Closing:
    """A connection whose own end is closed, and how much more may be read from the other."""

    sock: Any
    deadline: float
    left: int = MOST_READ


class AfterAnswers:
    """The thread, which is started by the first who needs it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()
        self._new: list[_Closing] = []
        self._closing: list[_Closing] = []
        self._selector = selectors.DefaultSelector()
        self._woken, self._waking = socket.socketpair()
        self._woken.setblocking(False)
        self._waking.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ)
        self._is_running = False

    def later(self, seconds: float, run: Callable[[], None]) -> None:
        """Call `run` in the thread after so many seconds."""
        with self._lock:
            heapq.heappush(self._due, (time.monotonic() + seconds, next(self._numbers), run))
        self._wake()

    def close(self, sock: Any) -> None:
        """Close a connection, once the client has closed its end or LINGER_SECONDS have passed."""
        try:
            sock.shutdown(socket.SHUT_WR)
            sock.setblocking(False)
        except OSError:
            _close(sock)
            return
        with self._lock:
            self._new.append(_Closing(sock, time.monotonic() + LINGER_SECONDS))
        self._wake()

    def finish(self) -> None:
        """Wait until nothing is left to do, LINGER_SECONDS at most."""
        end = time.monotonic() + LINGER_SECONDS
        while (self._due or self._new or self._closing) and time.monotonic() < end:
            time.sleep(0.01)

    def _wake(self) -> None:
        with self._lock:
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, name="after answers", daemon=True).start()
        with suppress(OSError):  # full: it is awake anyway
            self._waking.send(b"\0")

    def _run(self) -> None:
        while True:
            for key, _ in self._selector.select(self._seconds()):
                if key.data is None:
                    with suppress(OSError):
                        self._woken.recv(4096)
                else:
                    self._read(key.data)
            self._take_up()
            self._run_due()
            for one in [one for one in self._closing if one.deadline <= time.monotonic()]:
                self._end(one)

    def _seconds(self) -> float:
        with self._lock:
            ends = [self._due[0][0]] if self._due else []
        ends += [self._closing[0].deadline] if self._closing else []
        return max(min(ends) - time.monotonic(), 0.0) if ends else _IDLE_SECONDS

    def _take_up(self) -> None:
        with self._lock:
            new, self._new = self._new, []
            self._closing += new
        for one in new:
            try:
                self._selector.register(one.sock, selectors.EVENT_READ, one)
            except (OSError, ValueError):
                self._closing.remove(one)
                _close(one.sock)

    def _run_due(self) -> None:
        while True:
            with self._lock:
                if not self._due or self._due[0][0] > time.monotonic():
                    return
                _, _, run = heapq.heappop(self._due)
            try:
                run()
            except Exception:
                logger.exception("What was to be done after an answer could not be done")

    def _read(self, one: _Closing) -> None:
        try:
            data = one.sock.recv(4096)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        one.left -= len(data)
        if not data or one.left <= 0:
            self._end(one)

    def _end(self, one: _Closing) -> None:
        with suppress(OSError, KeyError, ValueError):
            self._selector.unregister(one.sock)
        self._closing.remove(one)
        _close(one.sock)


def _close(sock: Any) -> None:
    with suppress(OSError):
        sock.close()
