"""A database of several hosts: a connection whose server can only be read is given up, so that the next one finds the primary."""

from http import HTTPStatus
from typing import Any

import pytest
from django.db import InternalError
from psycopg.errors import ReadOnlySqlTransaction

from internal_api import exception_handler
from internal_api.exception_handler import domain_error

pytestmark = pytest.mark.once


class Raw:
    """psycopg's connection."""

    closed = False

    def close(self) -> None:
        self.closed = True


class Wrapper:
    """Django's connection."""

    def __init__(self, options: dict[str, Any], *, in_atomic_block: bool = False) -> None:
        self.settings_dict = {"OPTIONS": options}
        self.in_atomic_block = in_atomic_block
        self.connection: Raw | None = Raw()
        self.closed = False

    def close(self) -> None:
        self.closed = True


def refused(wrapper: Wrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server refuse a write."""
    monkeypatch.setattr(exception_handler, "connection", wrapper)
    error = InternalError("cannot execute INSERT in a read-only transaction")
    error.__cause__ = ReadOnlySqlTransaction()
    told = domain_error(error)
    assert told is not None
    assert told.status == HTTPStatus.SERVICE_UNAVAILABLE


def test_the_connection_is_given_up_even_where_a_pool_would_keep_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = Wrapper({"target_session_attrs": "read-write"})
    raw = wrapper.connection
    assert raw is not None
    refused(wrapper, monkeypatch)
    assert (raw.closed, wrapper.closed) == (True, True)


@pytest.mark.parametrize(
    "wrapper",
    [Wrapper({}), Wrapper({"target_session_attrs": "read-write"}, in_atomic_block=True)],
    ids=["one host", "in a transaction"],
)
def test_otherwise_it_is_kept(monkeypatch: pytest.MonkeyPatch, wrapper: Wrapper) -> None:
    refused(wrapper, monkeypatch)
    assert not wrapper.closed


def test_a_connection_that_is_gone_already(monkeypatch: pytest.MonkeyPatch) -> None:
    wrapper = Wrapper({"target_session_attrs": "read-write"})
    wrapper.connection = None
    refused(wrapper, monkeypatch)
    assert wrapper.closed
