"""What the documents claim names the tests that show it: each of them is there, and each row of the two tables of claims names one."""

import re
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = ["docs/reliability.md", "docs/security.md"]
_NAME = re.compile(r"`(test_\w+)`", re.ASCII)
_PATH = re.compile(r"`(tests/[\w/]+(?:\.py)?)`", re.ASCII)


@lru_cache(maxsize=1)
def existing() -> frozenset[str]:
    """The names of all tests and of the modules of tests."""
    modules = list((ROOT / "tests").rglob("*.py"))
    functions = {name for module in modules for name in re.findall(r"^\s*def (test_\w+)\(", module.read_text(), re.MULTILINE)}
    return frozenset(functions | {module.stem for module in modules})


@pytest.mark.parametrize("page", PAGES)
def test_every_test_that_is_named_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    assert [name for name in _NAME.findall(text) if name not in existing()] == []
    assert [path for path in _PATH.findall(text) if not (ROOT / path).exists()] == []


def test_every_promise_of_reliability_names_a_test() -> None:
    """The first table: fault, promise, test, figures."""
    rows = (ROOT / PAGES[0]).read_text().partition("\n## ")[0].splitlines()
    promises = [row.split(" | ") for row in rows if row.startswith("| ")][1:]
    assert len(promises) > 20
    assert [row[0] for row in promises if not (_NAME.search(row[2]) or _PATH.search(row[2]))] == []
