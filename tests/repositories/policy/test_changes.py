"""Lines of changes are Git's: split at ASCII space and tab, the ref is the rest (contract: decisions 10a)."""

import pytest

from repositories.policy import Change, MalformedChangesError, parse_changes
from tests.ref_characters import ILLEGAL, LEGAL

NONE, OLD, NEW = "0" * 40, "d14d6c0abdd253381df51a723d58691b2ee1ab08", "570e7b2abdd848b95f2f578043fc23bd6f6fd24d"
REVISIONS = {"create": (NONE, NEW), "update": (OLD, NEW), "delete": (OLD, NONE)}


@pytest.mark.parametrize("operation", REVISIONS)
@pytest.mark.parametrize("prefix", ["refs/heads/", "refs/tags/", "refs/notes/"])
@pytest.mark.parametrize("place", ["{}x", "x{}y", "x{}", "{}"])
@pytest.mark.parametrize("character", LEGAL)
def test_a_ref_keeps_every_character_that_git_allows(operation: str, prefix: str, place: str, character: str) -> None:
    oldrev, newrev = REVISIONS[operation]
    ref = prefix + place.format(character)
    assert parse_changes(f"{oldrev} {newrev} {ref}\n") == (Change(oldrev, newrev, ref),)
    assert parse_changes([f"{oldrev} {newrev} {ref}"]) == (Change(oldrev, newrev, ref),)
    name = ref.removeprefix(prefix)
    (change,) = parse_changes(f"{oldrev}\t{newrev} \t{ref}\r\n")
    assert (change.branch, change.tag) == (
        name if prefix == "refs/heads/" else None,
        name if prefix == "refs/tags/" else None,
    )


@pytest.mark.parametrize("character", [*LEGAL, *ILLEGAL, "\x0b", "\x0c", "\r"])
def test_only_space_and_tab_separate_revisions(character: str) -> None:
    for line in (f"{OLD}{character}{NEW} refs/heads/x", f"{OLD} {NEW}{character}refs/heads/x"):
        with pytest.raises(MalformedChangesError, match=r"^Line 1 of changes is not an old revision, a new"):
            parse_changes(line)


@pytest.mark.parametrize("character", [*LEGAL, *ILLEGAL, "\x0b", "\x0c"])
def test_no_other_character_is_a_blank_line_or_trimmed(character: str) -> None:
    for text in (character, f"{OLD} {NEW} refs/heads/x\n{character}\n", f"{character}{OLD} {NEW} refs/heads/x"):
        with pytest.raises(MalformedChangesError):
            parse_changes(text)


@pytest.mark.parametrize("number", [*range(0x20), 0x7F])
def test_a_control_character_is_in_no_ref(number: int) -> None:
    line = f"{OLD} {NONE} refs/heads/a{chr(number)}b"
    with pytest.raises(MalformedChangesError) as raised:
        parse_changes([line])
    assert str(raised.value) == "Line 1 of changes has a ref with a control character."


def test_a_ref_is_the_rest_of_the_line() -> None:
    """Git allows no space in a ref; were there one, the rules would judge the whole name, not a part of it."""
    assert parse_changes(f"  {OLD} {NONE}  refs/heads/a b \t\r\n") == (Change(OLD, NONE, "refs/heads/a b"),)


def test_one_carriage_return_ends_a_line_and_no_more() -> None:
    assert parse_changes(f"{OLD} {NEW} refs/heads/x\r\n") == (Change(OLD, NEW, "refs/heads/x"),)
    with pytest.raises(MalformedChangesError, match="control character"):
        parse_changes(f"{OLD} {NEW} refs/heads/x\r\r\n")


@pytest.mark.parametrize("revision", ["\u0662" * 40, "\uff11" * 40, OLD[:39] + "\u00b2", OLD.replace("d", "\uff44")])
def test_digits_of_revisions_are_ascii(revision: str) -> None:
    with pytest.raises(MalformedChangesError):
        parse_changes(f"{revision} {NEW} refs/heads/x")
