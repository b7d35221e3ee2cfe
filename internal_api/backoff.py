"""How long to wait before the next attempt."""

import random


def backoff(attempts: int, *, base: float = 10.0, longest: float = 3600.0) -> float:
    """Seconds after so many failed attempts: doubled each time up to the longest, less a random part of up to a half.

    The random part keeps those who failed together from coming back together.
    """
    whole = min(longest, base * 2.0 ** min(max(attempts - 1, 0), 32))
    return whole * random.uniform(0.5, 1.0)  # noqa: S311  no secret
