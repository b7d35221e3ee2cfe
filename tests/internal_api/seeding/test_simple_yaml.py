"""The quick reader of YAML: the same values as PyYAML's safe loader, and nothing for what it leaves to that."""

from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from internal_api.seeding import simple_yaml, spooled
from internal_api.seeding.documents import parse

pytestmark = pytest.mark.once

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.dates() | st.datetimes() | st.text()
    | st.sampled_from(["", "yes", "~", "null", "0x1f", "1_000", "1:30", ".inf", "2030-01-01", "<<", "=", "*a", "&a", "- a", "a: b", "a\nb\n", "'", '"'])
)  # fmt: skip
DOCUMENTS = st.recursive(
    SCALARS, lambda below: st.lists(below) | st.dictionaries(st.text() | st.integers() | st.booleans(), below), max_leaves=30
)


@settings(max_examples=300, deadline=None)
@given(document=DOCUMENTS, style=st.sampled_from([None, False, True]), indent=st.integers(2, 4))
def test_what_pyyaml_writes_is_read_as_pyyaml_reads_it(document: Any, style: bool | None, indent: int) -> None:
    text = yaml.safe_dump({"document": document}, default_flow_style=style, indent=indent, allow_unicode=True)
    expected = yaml.safe_load(text)
    try:
        found = simple_yaml.parse(text)
    except simple_yaml.UnusualError:
        # Tags (of midnights, say), aliases for what a document has twice, and numbers and booleans that are equal as keys.
        assert "&id" in text or "!!" in text or len(set(map(repr, _keys(document)))) != len(set(_keys(document)))
        return
    assert repr(found) == repr(expected)


def _keys(document: Any) -> list[Any]:
    if isinstance(document, list):
        return [key for item in document for key in _keys(item)]
    return [*document, *(key for item in document.values() for key in _keys(item))] if isinstance(document, dict) else []


@pytest.mark.parametrize(
    "text",
    [
        "a: yes\nb: No\nc: on\nd: y\ne: null\nf:\ng: ~\nh: ''\ni: 'yes'\nj: \"1\"",
        "a: 1\nb: 0x1F\nc: 0o17\nd: 017\ne: 1_000\nf: 1:30\ng: -1.5e+3\nh: .inf\ni: .5\nj: 1.",
        "a: 2030-01-31\nb: 2030-01-31T12:00:00Z\nc: 2030-01-31 12:00:00.5 +02:00\nd: 2030-1-1",
        "a: |\n  two\n  lines\nb: >-\n  one\n  line\nc: plain over\n  lines\nd: {x: [1, {y: 2}], z: }",
        "- 1\n- [a, b]\n-\n- {}",
        "# a comment\n---\na: 1\n...\n",
        "", "# nothing", "---", "text", "[]", "5",
    ],
)  # fmt: skip
def test_documents_are_read_as_pyyaml_reads_them(text: str) -> None:
    assert repr(simple_yaml.parse(text)) == repr(yaml.safe_load(text))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a 1\nb: *a", "a: &a [1]", "a: {<<: {b: 1}}", "a: !!str 1", "a: !x 1", "a: ! 1", "a: !!map {}", "a: !!seq []", "= : 1",
        "a: 1\na: 2", "1: a\ntrue: b", "1: a\nb: {true: c}", "? [a]\n: b", "? {a: b}\n: c", "--- a\n--- b", "a: [", "a: \x07", "a: 2030-13-45",
        "a: %", "- " * 100_000, "[" * 100_000, "a: @x", "\t- a",
    ],
)  # fmt: skip
def test_what_is_unusual_or_wrong_is_left_to_pyyaml(text: str) -> None:
    with pytest.raises(simple_yaml.UnusualError):
        simple_yaml.parse(text)


def test_a_seed_file_is_read_by_both_ways(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "users:\n- username: ann\n  keys: [{key: a}]\n  confirmed: yes\n  projects_limit: 7\n"
    quick = parse(text)
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert parse(text) == quick == {"users": [{"username": "ann", "keys": [{"key": "a"}], "confirmed": True, "projects_limit": 7}]}


def test_the_entries_of_a_long_section_are_not_all_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spooled, "KEPT", 2)
    found = simple_yaml.parse("users: [{a: [1, 2, 3, 4]}, b, c, d]\ngroups: [a, b]")
    assert isinstance(found["users"], spooled.Spooled)
    assert list(found["users"]) == [{"a": [1, 2, 3, 4]}, "b", "c", "d"]
    assert found["groups"] == ["a", "b"]


def test_what_is_written_alike_many_times_is_in_memory_once() -> None:
    entries = simple_yaml.parse("\n".join("- {access_level: developer, expires_at: 2030-01-01}" for _ in range(3)))
    assert len({id(value) for entry in entries for value in (*entry, *entry.values())}) == 4
