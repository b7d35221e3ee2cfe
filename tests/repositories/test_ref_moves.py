"""Which unreported pushes moved a ref (contract: decisions 16b)."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repositories.ref_moves import MISSING, Move, moved

ZEROS = "0" * 40
START = datetime(2026, 1, 1, tzinfo=UTC)


def revision(letter: str) -> str:
    return ZEROS if letter == "-" else letter * 40


def history(text: str) -> list[Move]:
    """`-a! ab ba!`: moves in order of their permission, reported ones with an exclamation mark; the others are numbered by position."""
    return [
        Move(revision(word[0]), revision(word[1]), START + timedelta(seconds=position), None if word.endswith("!") else position)
        for position, word in enumerate(text.split())
    ]


@pytest.mark.parametrize(
    ("moves", "target", "expected"),
    [
        pytest.param("-a", "a", {0}, id="it stands at the new revision"),
        pytest.param("-a", "-", set(), id="it was not created"),
        pytest.param("a-", "-", {0}, id="it was deleted"),
        pytest.param("a-", "a", set(), id="it was not deleted"),
        pytest.param("ab bc!", "c", {0}, id="a later report starts from it"),
        pytest.param("ab bc", "c", {0, 1}, id="a later push starts from it"),
        pytest.param("ab bc", "b", {0}, id="and has not moved it yet"),
        pytest.param("-a a-", "-", {0, 1}, id="created and deleted, nobody said so"),
        pytest.param("-a a- -a a-", "-", {0, 1, 2, 3}, id="twice"),
        pytest.param("-a! a- -a!", "a", {1}, id="the deletion between two reports"),
        pytest.param("-a a-! -a", "a", {0, 2}, id="the creations around a report"),
        pytest.param("ab! ba bc!", "c", set(), id="a refused move back"),
        pytest.param("ab! ab", "b", set(), id="of two with the same change one was reported"),
        pytest.param("ab ab", "b", {1}, id="of two with the same change the later one, since a client tries again"),
        pytest.param("ab ac!", "c", set(), id="it lost a race"),
        pytest.param("am an mn", "n", {0, 2}, id="it lost a race among lost reports"),
        pytest.param("ab", "c", set(), id="something else has moved it"),
        pytest.param("xy! ab", "b", {1}, id="and moved it before"),
        pytest.param("ab bc", "a", {0}, id="a later push starts from it, and then it was put back"),
    ],
)  # fmt: skip
def test_which_pushes_moved_a_ref(moves: str, target: str, expected: set[int]) -> None:
    assert moved(revision(target) if target != "-" else MISSING, None, history(moves)) == expected


def test_what_was_reported_before_counts() -> None:
    """A push that lost a race against one that was reported before it was allowed."""
    before = Move(revision("a"), revision("b"), START - timedelta(minutes=1))
    assert moved(revision("b"), None, history("ab")) == {0}
    assert moved(revision("b"), before, history("ab")) == set()
    assert moved(revision("b"), before, history("ba! ab")) == {1}


def test_nothing_is_known_of_a_ref() -> None:
    assert moved(revision("a"), None, []) == set()


ON_A_BUSY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
PUSHES = st.lists(st.tuples(st.sampled_from(["reported", "lost", "refused", "outdated"]), st.booleans()), min_size=1, max_size=12)


@ON_A_BUSY_MACHINE
@given(PUSHES)
def test_every_history_of_new_revisions_is_recognised(pushes: list[tuple[str, bool]]) -> None:
    """Pushes of revisions that nobody pushed before, deletions between them, refused ones, and ones that started from an old target."""
    target, former, moves, lost = ZEROS, ZEROS, [], set()
    for number, (fate, deletes) in enumerate(pushes):
        source = former if fate == "outdated" else target
        new = ZEROS if deletes and target != ZEROS and fate in ("reported", "lost") else f"{number + 1:040x}"
        happened = fate in ("reported", "lost")
        moves.append(Move(source, new, START + timedelta(seconds=number), None if fate == "reported" else number))
        if fate == "lost":
            lost.add(number)
        if happened:
            former, target = target, new
    found = moved(MISSING if target == ZEROS else target, None, moves)
    assert found == lost


@ON_A_BUSY_MACHINE
@given(st.lists(st.booleans(), min_size=1, max_size=14))
def test_a_branch_that_comes_and_goes_is_recognised_whatever_was_lost(reported: list[bool]) -> None:
    """The same two changes by turns, as one connection can push them."""
    words = [("-a" if position % 2 == 0 else "a-") + ("!" if one else "") for position, one in enumerate(reported)]
    found = moved("a" * 40 if len(reported) % 2 else MISSING, None, history(" ".join(words)))
    assert found == {position for position, one in enumerate(reported) if not one}


@pytest.mark.parametrize("before", ["ab", "bc", "c0", "0a"])
@pytest.mark.parametrize("move", ["0d", "ad", "cd", "dd"])
def test_a_push_without_a_trace_is_never_made_up_for(before: str, move: str) -> None:
    """Decisions 16b: it stands at the new revision, or something later starts from it; else it has not moved.

    What was reported may disagree with Gitaly: somebody removed the ref on the server's disk.
    """
    (last,), (push,) = history(f"{before}!"), history(move)
    assert moved(MISSING, last, [push]) == set()
