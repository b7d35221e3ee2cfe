"""YAML that somebody typed is a value that can be answered and stored, or is refused."""

import pytest

from internal_api.yaml_input import InvalidYAMLError, decode


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("x: !!bool abc", "cannot be read as YAML"),
        ("x: !!timestamp abc", "cannot be read as YAML"),
        ("x: !!int ''", "cannot be read as YAML"),
        ("x: !!float ''", "cannot be read as YAML"),
        ("x: 9999-99-99", "cannot be read as YAML"),
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
