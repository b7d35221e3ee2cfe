"""The pages of docs/reference say what the code says."""

import pytest

from repositories.policy import Reason
from testing.reference_pages import DIRECTORY, PAGES


@pytest.mark.once
@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_what_the_code_makes(name: str) -> None:
    """Whoever changes a command or a reason runs `make reference`."""
    assert (DIRECTORY / name).read_text() == PAGES[name]()


@pytest.mark.once
def test_no_other_page_is_there() -> None:
    assert {page.name for page in DIRECTORY.glob("*.md")} == set(PAGES)


@pytest.mark.parametrize("reason", list(Reason))
def test_a_reason_tells_what_it_means_and_what_to_do(reason: Reason) -> None:
    for text in (reason.meaning, reason.remedy):
        assert text.endswith((".", ")")), text
        assert len(text) > 10
