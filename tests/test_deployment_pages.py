"""The deployment pages: what they mark as not run is listed, and each page has its test."""

from pathlib import Path

import pytest

from tests.deployment.pages import BESIDE, LIST, PageError, all_pages, matches, not_run_list, read_blocks

TESTS = Path(__file__).resolve().parent / "deployment"


def test_the_list_of_what_is_not_run_is_what_the_pages_mark() -> None:
    assert LIST.read_text() == not_run_list([*all_pages(), BESIDE]), "python -m tests.deployment.pages writes the list"


@pytest.mark.parametrize("path", all_pages(), ids=lambda path: path.stem)
def test_each_page_with_commands_has_a_test_that_executes_them(path: Path) -> None:
    if any(block.is_executed for block in read_blocks(path)):
        test = TESTS / f"test_{path.stem.lower().replace('-', '_')}.py"
        assert f'page("{path.stem}")' in test.read_text()


@pytest.mark.parametrize("path", all_pages(), ids=lambda path: path.stem)
def test_what_is_said_to_test_a_block_reads_its_page(path: Path) -> None:
    for block in read_blocks(path):
        if block.mark == "tested by":
            assert path.name in (TESTS.parents[1] / block.value).read_text(), block.where


def test_the_index_names_all_pages() -> None:
    index = next(path for path in all_pages() if path.stem == "README")
    for path in all_pages():
        assert path == index or f"({path.name})" in index.read_text()


def read(tmp_path: Path, text: str) -> list[tuple[str, str, str | None]]:
    path = tmp_path / "page.md"
    path.write_text(text)
    return [(block.mark, block.text, block.output) for block in read_blocks(path)]


def test_blocks_are_read_with_their_marks_and_outputs(tmp_path: Path) -> None:
    text = "```shell\na\n```\n\n```text\nb\n```\n\n<!-- on: x -->\n\n```shell\nc\n```\n\nand\n\n<!-- file: /d -->\n```ini\ne\n```\n"
    assert read(tmp_path, text) == [("", "a\n", "b\n"), ("on", "c\n", None), ("file", "e\n", None)]


def test_a_block_knows_its_section(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(
        "# Page\n\n```shell\na\n```\n\n## One\n\n```shell\nb\n```\n\n```shell\nc\n```\n\n### Below\n\n## Two\n\n```shell\nd\n```\n"
    )
    assert [block.heading for block in read_blocks(path)] == ["", "One", "One", "Two"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("```ini\na\n```\n", "needs a mark"),
        ("```text\na\n```\n", "needs a mark"),
        ("```shell\na\n```\n\nwhich prints\n\n```text\na\n```\n", "needs a mark"),
        ("<!-- never: x -->\n```shell\na\n```\n", "unknown mark"),
        ("<!-- not run here: no reason -->\n```shell\na\n```\n", "stood in for by"),
    ],
)
def test_blocks_without_a_meaning_are_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(PageError, match=complaint):
        read(tmp_path, text)


@pytest.mark.parametrize(
    ("shown", "printed", "same"),
    [
        ("a\n", "a\n", True),
        ("a\n", "a\nb\n", False),
        ("a\n...\n", "a\nb\nc\n", True),
        ("...\nc\n", "c\n", True),
        ("a ... c\n", "a b c\n", True),
        ("a ... c\n", "a\nc\n", False),
        ("a.c\n", "abc\n", False),
        ("a\n", "a", True),
    ],
)
def test_dots_of_an_output_stand_for_anything(shown: str, printed: str, same: bool) -> None:
    assert matches(shown, printed) is same
