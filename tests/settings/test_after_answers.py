"""What is done for a connection after its answer holds no thread: held answers, and closing."""

import socket
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest

from settings import after_answers
from settings.after_answers import MOST_READ, AfterAnswers
from settings.gunicorn_worker import HoldingSocket, ServiceWorker

GUARD = 120


def comes(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + GUARD
    while not true() and time.monotonic() < end:
        time.sleep(0.005)
    return true()


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(GUARD)
    yield ours, theirs
    ours.close()
    theirs.close()


def test_things_are_done_in_their_order_each_in_its_time() -> None:
    work, done = AfterAnswers(), list[str]()
    for seconds, name in ((0.2, "last"), (0.0, "first"), (0.1, "second")):
        work.later(seconds, partial(done.append, name))
    assert comes(lambda: len(done) == 3)
    assert done == ["first", "second", "last"]


def test_a_thousand_answers_are_held_by_one_thread() -> None:
    work, done, before = AfterAnswers(), list[int](), threading.active_count()
    for _ in range(1000):
        work.later(0.2, lambda: done.append(1))
    assert threading.active_count() <= before + 1
    assert comes(lambda: len(done) == 1000)


def test_a_client_that_closes_its_end_ends_the_connection_at_once(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after_answers, "LINGER_SECONDS", 10 * GUARD)
    ours, theirs = pair
    work = AfterAnswers()
    ours.sendall(b"the last answer")
    work.close(ours)
    assert theirs.recv(100) == b"the last answer"
    assert theirs.recv(100) == b"", "our end is closed already"
    assert ours.fileno() != -1
    theirs.sendall(b"something late")
    theirs.close()
    assert comes(lambda: ours.fileno() == -1)


def test_a_client_that_does_not_is_waited_for_as_long_as_that(
    pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(after_answers, "LINGER_SECONDS", 0.1)
    work = AfterAnswers()
    work.close(pair[0])
    assert comes(lambda: pair[0].fileno() == -1)


def test_a_client_that_sends_on_is_read_up_to_a_limit(pair: tuple[socket.socket, socket.socket], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(after_answers, "LINGER_SECONDS", 10 * GUARD)
    ours, theirs = pair
    work = AfterAnswers()
    work.close(ours)
    with pytest.raises(OSError, match=r"Broken pipe|reset"):
        theirs.sendall(b"x" * 100 * MOST_READ)
    assert comes(lambda: ours.fileno() == -1)


def test_a_connection_that_is_gone_already_is_no_error(pair: tuple[socket.socket, socket.socket]) -> None:
    work, done = AfterAnswers(), list[int]()
    pair[0].close()
    work.close(pair[0])
    work.later(0, lambda: done.append(1))
    assert comes(lambda: done == [1])


def test_finishing_waits_for_what_is_left() -> None:
    work, done = AfterAnswers(), list[int]()
    work.later(0.1, lambda: done.append(1))
    work.finish()
    assert done == [1]


def test_a_held_answer_is_sent_whole_and_later(pair: tuple[socket.socket, socket.socket]) -> None:
    ours, theirs = pair
    holding = HoldingSocket(ours)
    holding.sendall(b"100 Continue")
    assert theirs.recv(100) == b"100 Continue"
    holding.hold(0.05)
    holding.sendall(b"head ")
    holding.sendall(b"body")
    assert holding.held == [b"head ", b"body"]
    assert holding.fileno() == ours.fileno()

    deferred: list[tuple[Any, ...]] = []
    worker: Any = SimpleNamespace(
        after_answers=AfterAnswers(), method_queue=SimpleNamespace(defer=lambda *call: deferred.append(call)), log=None
    )
    worker._answer = lambda *call: ServiceWorker._answer(worker, *call)  # noqa: SLF001  the method, without a server around it
    worker.finish_request = "what is deferred"
    conn, future = SimpleNamespace(sock=ours, held=(holding.seconds, b"".join(holding.held))), Future[bool]()
    ServiceWorker.finish_request(worker, conn, future)
    assert theirs.recv(100) == b"head body"
    assert comes(lambda: deferred == [("what is deferred", conn, future)])
    assert conn.held == (0.0, b"")


@pytest.mark.parametrize(("others", "waiting", "idle", "left"), [(0, 8, 0, 6), (4, 3, 3, 2), (8, 2, 2, 0), (2, 2, 2, 4)])
def test_connections_that_only_wait_make_room_for_others(others: int, waiting: int, idle: int, left: int) -> None:
    """Of eight connections two are kept free, as far as any wait; whoever has waited longest goes first, and idle ones last."""
    ended: list[str] = []
    connections = [
        SimpleNamespace(sock=SimpleNamespace(close=partial(ended.append, f"{kind} {number}")))
        for kind, size in (("waiting", waiting), ("idle", idle))
        for number in range(size)
    ]
    worker: Any = ServiceWorker.__new__(ServiceWorker)
    worker.worker_connections, worker.nr_conns = 8, others + waiting + idle
    worker.pending_conns, worker.keepalived_conns = deque(connections[:waiting]), deque(connections[waiting:])
    worker.poller = SimpleNamespace(unregister=lambda sock: None)
    worker.make_room()
    assert len(worker.pending_conns) + len(worker.keepalived_conns) == left
    assert worker.nr_conns == others + left
    in_order = [f"waiting {number}" for number in range(waiting)] + [f"idle {number}" for number in range(idle)]
    assert ended == in_order[: waiting + idle - left]
