"""Which pushes moved a ref, worked out from where it stands and from what is known of it (contract: decisions 16b).

Known are the moves that were reported, the pushes that were allowed and never reported, and the ref's present target. Git
moves a ref only from the revision that the push names, and a client names one that the server has shown to it, so the moves of
a ref, in the order in which the pushes were allowed, form a path from an earlier target to the present one. Of all choices of
unreported pushes the most plausible one is taken: see `_Path.cost`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from repositories.policy.changes import is_blank

MISSING = ""
"""The target of a ref that does not exist; in changes it is 40 or 64 zeros."""
_UNKNOWN_MOVE = 10
"""The ref was moved by something that is not known here, such as a command on the server's disk."""
_NEVER_SEEN = 15
"""A push started from a revision that the ref never had: it had it, or no client could have named it."""
_STALE = 1
"""A push started from a revision that the ref no longer had, as those that lose a race do."""


@dataclass(frozen=True, slots=True)
class Move:
    """A ref from one revision to another. `number` names an unreported push; a reported move has none."""

    oldrev: str
    newrev: str
    allowed_at: datetime
    number: int | None = None

    @property
    def source(self) -> str:
        return MISSING if is_blank(self.oldrev) else self.oldrev

    @property
    def destination(self) -> str:
        return MISSING if is_blank(self.newrev) else self.newrev


@dataclass(frozen=True, slots=True)
class _Path:
    """One choice: where the ref is after it, where it has been, and which unreported pushes moved it."""

    target: str
    visited: frozenset[str]
    implausible: int = 0
    taken: frozenset[int] = field(default_factory=frozenset)

    @property
    def cost(self) -> tuple[int, int, list[int]]:
        """The least is the most plausible. With all else equal few pushes moved the ref, and of equal ones the last."""
        return self.implausible, len(self.taken), sorted(-number for number in self.taken)

    def along(self, move: Move) -> "_Path":
        """The ref was moved."""
        detour = 0 if move.source == self.target else _UNKNOWN_MOVE
        taken = self.taken if move.number is None else self.taken | {move.number}
        visited = self.visited | {move.source, move.destination}
        return _Path(move.destination, visited, self.implausible + detour, taken)

    def without(self, move: Move) -> "_Path":
        """An unreported push did not move the ref."""
        if move.source == self.target:
            return self
        doubt = _STALE if move.source in self.visited else _NEVER_SEEN
        return _Path(self.target, self.visited, self.implausible + doubt, self.taken)


def moved(target: str, before: Move | None, moves: Iterable[Move]) -> frozenset[int]:
    """Return the numbers of the unreported pushes that moved a ref whose present target is given.

    `before` is the last move that is known from before all the others, if any.
    """
    ordered = sorted(moves, key=lambda move: (move.allowed_at, move.number or 0))
    if not ordered:
        return frozenset()
    start = _Path(ordered[0].source, frozenset({ordered[0].source}))
    if before is not None:
        start = _Path(before.destination, frozenset({before.source, before.destination}))
    paths = _best_of([start])
    for move in ordered:
        options = [path.along(move) for path in paths]
        if move.number is not None:
            options += [path.without(move) for path in paths]
        paths = _best_of(options)
    likely = min(paths, key=lambda path: (path.implausible + (_UNKNOWN_MOVE if path.target != target else 0), path.cost)).taken
    return frozenset(number for number in likely if _has_a_trace(number, target, ordered))


def _has_a_trace(number: int, target: str, ordered: Sequence[Move]) -> bool:
    """Return True if the ref stands where a push would have left it, or a later push started from there.

    Nothing is made up for without it, however little what was reported agrees with Gitaly.
    """
    place = next(index for index, move in enumerate(ordered) if move.number == number)
    destination = ordered[place].destination
    return target == destination or any(move.source == destination for move in ordered[place + 1 :])


def _best_of(paths: Sequence[_Path]) -> list[_Path]:
    """Return the best path to each target."""
    best: dict[str, _Path] = {}
    for path in paths:
        known = best.get(path.target)
        if known is None or path.cost < known.cost:
            best[path.target] = path
    return list(best.values())
