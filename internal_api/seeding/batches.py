"""How many entries or rows are treated together: statements are few, and what is at hand at once is bounded."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

BATCH = 500
_Item = TypeVar("_Item")


def some_at_a_time(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Yield the items in lists of at most `BATCH`."""
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch
