"""What a decision can be. A verdict has no truth value: a falsy denial would once have let everything through."""

from dataclasses import dataclass
from typing import Never

from repositories.policy.reasons import Reason


class _NoTruthValue:
    __slots__ = ()

    def __bool__(self) -> Never:
        raise TypeError("A verdict is neither true nor false; match it.")


@dataclass(frozen=True, slots=True)
class Allowed(_NoTruthValue):
    """The command may run."""


@dataclass(frozen=True, slots=True)
class Denied(_NoTruthValue):
    """The command may not run; `message` is what the person at the terminal reads."""

    reason: Reason
    message: str

    @classmethod
    def because_of(cls, reason: Reason, **values: object) -> "Denied":
        """A refusal in the reason's own words; `values` fill the places of its text."""
        return cls(reason, reason.message.format_map(values) if values else reason.message)


@dataclass(frozen=True, slots=True)
class CreateProject(_NoTruthValue):
    """There is no such project, and this push makes it (contract: allowed 4.7)."""


@dataclass(frozen=True, slots=True)
class IsForced:
    """A question for Git: does this update throw commits away, that is, is `oldrev` no ancestor of `newrev`?"""

    oldrev: str
    newrev: str


@dataclass(frozen=True, slots=True)
class HasNewCommits:
    """A question for Git: does `newrev` hold commits that no protected branch holds?"""

    newrev: str


@dataclass(frozen=True, slots=True)
class LacksLFSObjects:
    """A question for Git: do the new objects behind these revisions name LFS objects that the project does not have?"""

    revisions: tuple[str, ...]


GitQuery = IsForced | HasNewCommits | LacksLFSObjects


@dataclass(frozen=True, slots=True)
class NeedsGit(_NoTruthValue):
    """Only Git knows; ask, add the answers to the request, decide again."""

    queries: tuple[GitQuery, ...]


Verdict = Allowed | Denied | CreateProject | NeedsGit
