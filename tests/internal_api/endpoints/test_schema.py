"""The API's description is rendered once in a process, by one thread."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from internal_api.errors import UnavailableError
from internal_api.views.schema import rendered_once


def test_those_who_ask_while_it_is_rendered_are_asked_to_come_again() -> None:
    """The generator is not made for several threads, and waiting for it would take all of them."""
    begun, may_end, rendered = threading.Event(), threading.Event(), []

    @rendered_once
    def slow() -> bytes:
        rendered.append("once")
        begun.set()
        may_end.wait(60)
        return b"openapi"

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(slow)
        begun.wait(60)
        with pytest.raises(UnavailableError):
            slow()
        may_end.set()
        assert first.result() == slow() == b"openapi"
    assert rendered == ["once"]


def test_a_failure_is_not_kept() -> None:
    answers: Iterator[bytes | OSError] = iter([OSError("no space left"), b"openapi"])

    @rendered_once
    def failing() -> bytes:
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    with pytest.raises(OSError, match="no space"):
        failing()
    assert failing() == b"openapi"
