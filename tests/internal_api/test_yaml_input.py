"""YAML that somebody typed is a value that can be answered and stored, or is refused."""

from datetime import UTC, date, datetime

import pytest
import yaml

from internal_api import yaml_input
from internal_api.yaml_input import InvalidYAMLError, decode


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("x: !!bool abc", "cannot be read as YAML"),
        ("x: !!timestamp abc", "cannot be read as YAML"),
        ("x: !!int ''", "cannot be read as YAML"),
        ("x: !!float ''", "cannot be read as YAML"),
        ("x: 9999-99-99", "cannot be read as YAML"),
        ("[" * 101 + "]" * 101, "is nested too deeply"),
        ("[" * 100_000, "is nested too deeply"),
        ("- " * 100_000, "is nested too deeply"),
        ("{a: " * 100_000, "is nested too deeply"),
        ("- a\n" * 50_001, "has too many values"),
        ("[" + "1," * 500_000 + "1]", "has too many values"),
        ("a: &a [x, x]\n" + "".join(f"b{n}: &a [*a, *a]\n" for n in range(40)), "has too many values"),
        (
            f"a: &a {{{', '.join(f'k{n}: v' for n in range(10_000))}}}\n" + "".join(f"b{n}: {{<<: *a}}\n" for n in range(9)),
            "has too many values",
        ),
        ("a: &a [*a]", "has too many values|is nested too deeply"),
        ("x: " + "1:" * 300_000 + "1", "has a number of more than 64 bits"),
        ("x: !!int '" + "1:" * 300_000 + "1'", "has a number of more than 64 bits"),
        ("x: -." + "1" * 1_000_000, "has a number of more than 64 bits"),
        ("x" * (2**20 + 1), "is too long"),
        ("x: 0x" + "f" * 4000, "has a number of more than 64 bits"),
        ("x: 9223372036854775808", "has a number of more than 64 bits"),
        ("-9223372036854775809: x", "has a number of more than 64 bits"),
    ],
)
def test_what_cannot_be_answered_is_refused(content: str, problem: str) -> None:
    with pytest.raises(InvalidYAMLError, match=problem):
        decode(content)


def test_numbers_of_64_bits_are_numbers() -> None:
    assert decode("[9223372036854775807, -9223372036854775807, true, 1.5]") == [2**63 - 1, 1 - 2**63, True, 1.5]


def test_long_texts_are_no_numbers() -> None:
    for text in ("x" * 5000, "1 " * 5000 + "1", "'" + "1" * 5000 + "'", "|\n  " + "1" * 5000):
        assert isinstance(decode(f"x: {text}")["x"], str)


@pytest.mark.parametrize("loader", ["CSafeLoader", "SafeLoader"])
def test_both_loaders_read_the_same(monkeypatch: pytest.MonkeyPatch, loader: str) -> None:
    monkeypatch.setattr(yaml_input, "_LOADER", getattr(yaml, loader))
    values = "[1, 0x1f, 1:30, 2030-01-31, 2030-01-31T12:00:00Z, yes, ~, .5, 'x', é]"
    text = f"a: &a {values}\nb: *a\nc:\n  <<: {{d: 1}}\n  e: |\n    f\n"
    read = decode(text)
    assert read["b"] == read["a"] == [1, 31, 90, date(2030, 1, 31), datetime(2030, 1, 31, 12, tzinfo=UTC), True, None, 0.5, "x", "é"]
    assert read["c"] == {"d": 1, "e": "f\n"}
    with pytest.raises(InvalidYAMLError, match="is nested too deeply"):
        decode("[" * 100_000)


def test_libyaml_reads_here() -> None:
    """What the figures in the documents are about; PyYAML's wheels have it."""
    assert yaml_input._LOADER is yaml.CSafeLoader  # noqa: SLF001  which one was taken
