"""Lists of address ranges of top-level groups."""

import json
from functools import lru_cache
from ipaddress import ip_network
from typing import Any


def range_problem(text: str) -> str | None:
    """What is wrong with a range of addresses, as a sentence that names it; None for nothing."""
    try:
        ip_network(text, strict=False)
    except ValueError:
        return f"{text!r} is not a range of addresses such as 10.0.0.0/8"
    return None


def readable_ranges(value: Any) -> tuple[str, ...] | None:
    """The ranges of a stored list, which raw SQL returns as JSON and a model decoded; None when it cannot be read."""
    if isinstance(value, str):
        return () if value == "[]" else _parsed(value)
    return _ranges(value)


@lru_cache(maxsize=256)
def _parsed(text: str) -> tuple[str, ...] | None:
    try:
        return _ranges(json.loads(text))
    except (ValueError, RecursionError):  # PostgreSQL keeps numbers and nesting that Python cannot hold
        return None


def _ranges(listed: Any) -> tuple[str, ...] | None:
    if not isinstance(listed, list) or any(not isinstance(item, str) or range_problem(item) for item in listed):
        return None
    return tuple(listed)
