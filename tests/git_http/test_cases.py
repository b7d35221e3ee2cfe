"""Every numbered case of the contract on Git over HTTP and Git LFS is named by a test (contract: git-http 8)."""

import re
from pathlib import Path

import pytest

pytestmark = pytest.mark.once
TESTS = Path(__file__).parents[1]
CASES = {number for number in range(1, 200) if number % 3}
"""The contract's numbers leave out every third."""
NOT_SERVED = {199}
"""Locked files are not looked at when somebody pushes: git-lfs does that (contract: git-http LD13)."""
_CITED = re.compile(r"git-http ((?:(?:cases? )?\d+(?:\.\d+)*(?:, | and | to )?)+)", re.ASCII)
_SECTION = re.compile(r"\b\d+\.\d+\b", re.ASCII)
_SPAN = re.compile(r"(\d+) to (\d+)", re.ASCII)


def cited(text: str) -> set[int]:
    """The numbers of cases that a text cites: `git-http 4.3, case 169`, `git-http 112, 140`, `git-http 58 to 60`."""
    found: set[int] = set()
    for citation in _CITED.findall(text):
        numbers = _SECTION.sub("", citation)
        found |= {number for first, last in _SPAN.findall(numbers) for number in range(int(first), int(last) + 1)}
        found |= {int(number) for number in re.findall(r"\d+", numbers)}
    return found


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("contract: git-http 25.", {25}),
        ("Contract: git-http 112, 140.", {112, 140}),
        ("contract: git-http 4.3, case 169: refused", {169}),
        ("contract: git-http 58 to 60", {58, 59, 60}),
        ("contract: git-http 1.2, 8.3", set()),
    ],
)
def test_citations_are_read(text: str, numbers: set[int]) -> None:
    assert cited(text) == numbers


def test_every_case_is_named_by_a_test() -> None:
    modules = [module for module in TESTS.rglob("test_*.py") if module != Path(__file__)]
    named = set().union(*(cited(module.read_text()) for module in modules))
    assert len(CASES) == 133
    assert CASES - named == NOT_SERVED
