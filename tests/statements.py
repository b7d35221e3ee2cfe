"""Counting SQL statements without those that begin and end transactions."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection
from django.test.utils import CaptureQueriesContext

_CONTROL = ("BEGIN", "COMMIT", "SAVEPOINT", "RELEASE")


@contextmanager
def at_most(number: int) -> Iterator[None]:
    """Fail when more statements are run."""
    with CaptureQueriesContext(connection) as captured:
        yield
    run = [query["sql"] for query in captured.captured_queries if not query["sql"].startswith(_CONTROL)]
    assert len(run) <= number, "\n".join(run)
