"""Stored lists of address ranges, and what is wrong with a range that somebody types."""

from typing import Any

import pytest

from repositories.policy.addresses import range_problem, readable_ranges


@pytest.mark.parametrize("text", ["10.0.0.0/8", "10.1.2.3/8", "192.0.2.7", "2001:db8::/32", "::1"])
def test_ranges_and_single_addresses_are_right(text: str) -> None:
    assert range_problem(text) is None


@pytest.mark.parametrize("text", ["", "office", "10.0.0.0/33", "10.0.0", "::1/129", "10.0.0.0/8 "])
def test_what_is_no_range_is_named(text: str) -> None:
    assert range_problem(text) == f"{text!r} is not a range of addresses such as 10.0.0.0/8"


@pytest.mark.parametrize(
    ("stored", "ranges"),
    [
        ("[]", ()),
        ([], ()),
        ('["10.0.0.0/8", "::1"]', ("10.0.0.0/8", "::1")),
        (["10.0.0.0/8"], ("10.0.0.0/8",)),
        ('"10.0.0.0/8"', None),
        ("{}", None),
        ({"10.0.0.0/8": 1}, None),
        ([7], None),
        (["10.0.0.0/8", "office"], None),
        (["10.0.0.0/8", None], None),
        (None, None),
    ],
)
def test_a_stored_list_is_read_whole_or_not_at_all(stored: Any, ranges: tuple[str, ...] | None) -> None:
    """One item that cannot be read makes the list unreadable: it restricts somebody, and nobody knows whom."""
    assert readable_ranges(stored) == ranges
