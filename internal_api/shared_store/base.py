"""What a shared store can do."""

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Protocol


class SharedStoreError(Exception):
    """The store cannot be reached. Callers say what they do without it."""


class StoreState(StrEnum):
    """What a store can do at the moment."""

    READY = "ready"
    READ_ONLY = "read-only"
    FULL = "full"
    UNREACHABLE = "unreachable"


class SharedStore(Protocol):
    """Counters and texts that expire. Life is in seconds. Every method raises SharedStoreError when the store is away."""

    def increase(self, key: str, life: int) -> int:
        """Add one and renew the life; the new number. An expired counter starts at 0."""

    def decrease(self, key: str) -> int:
        """Take one away, but never below 0, without renewing the life; the new number."""

    def take_one(self, key: str) -> bool:
        """Take one away if there is one, without renewing the life; whether there was."""

    def count_in_window(self, key: str, life: int, number: int) -> int:
        """Add that many; the life is that of the first call and is not renewed. The new number."""

    def number(self, key: str) -> int:
        """The counter as it is; 0 when there is none."""

    def put(self, key: str, text: str, life: int) -> None:
        """Keep a text, in place of the former one."""

    def put_once(self, key: str, text: str, life: int) -> bool:
        """Keep a text unless there is one already; whether it was kept."""

    def get(self, key: str) -> str | None:
        """The text, or None when there is none or it has expired."""

    def take(self, key: str) -> str | None:
        """The text, which is gone afterwards; of two callers one gets it."""

    def forget(self, key: str) -> None:
        """Remove whatever is there."""

    def add_to_estimate(self, key: str, members: Collection[int], life: int) -> None:
        """Add to a set of which only the size is kept, roughly."""

    def estimate(self, keys: Sequence[str]) -> int:
        """About how many different members these sets have together."""

    def state(self) -> StoreState:
        """What the store can do; never raises."""

    def is_healthy(self) -> bool:
        """Whether a value can be kept; never raises."""
