"""How many entries or rows are treated together: statements are few, and what is at hand at once is bounded."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

BATCH = 1000
_Item = TypeVar("_Item")


def some_at_a_time(items: Iterable[_Item]) -> Iterator[list[_Item]]:
    """Yield the items in lists of at most `BATCH`."""
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        yield batch


class ListPart(list[Any]):
    """A piece of a list, whose first item has this index in the whole."""

    first: int = 0


def items_in(value: Any) -> int:
    """How many items a list or a mapping has; anything else is one."""
    return len(value) if isinstance(value, list | dict) else 1


def parts_of(value: Any) -> Iterator[Any]:
    """Yield a list or a mapping in pieces of at most `BATCH` items, or the value itself where it has no more."""
    if items_in(value) <= BATCH:
        yield value
        return
    first = 0
    for some in some_at_a_time(value.items() if isinstance(value, dict) else value):
        piece = dict(some) if isinstance(value, dict) else ListPart(some)
        if isinstance(piece, ListPart):
            piece.first = first
        first += len(some)
        yield piece
