"""The time that one decision may take (contract: allowed 5.9, decisions 24)."""

import time
from dataclasses import dataclass, field

from internal_api.errors import UnavailableError

BUDGET = 50.0
"""Seconds that one decision may take in all."""


@dataclass(frozen=True, slots=True)
class Deadline:
    """The end of one decision's time."""

    end: float = field(default_factory=lambda: time.monotonic() + BUDGET)

    def seconds_left(self) -> float:
        """What is left; raises UnavailableError when nothing is."""
        left = self.end - time.monotonic()
        if left <= 0:
            raise UnavailableError("Push operation timed out")
        return left
