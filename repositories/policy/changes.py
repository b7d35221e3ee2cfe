"""What a push changes: lines of `oldrev newrev ref`, as Gitaly's hook reads them from Git (contract: allowed 5.1, gitaly 2.3)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

ANY = "_any"
"""What GitLab Shell sends in place of changes, before the client has said what it will push."""

_LINE = re.compile(r"([0-9a-fA-F]{40}|[0-9a-fA-F]{64})\s+([0-9a-fA-F]{40}|[0-9a-fA-F]{64})\s+(\S.*)")
_BRANCH = "refs/heads/"
_TAG = "refs/tags/"


class MalformedChangesError(ValueError):
    """The changes cannot be read; one sentence says where."""


def is_blank(revision: str) -> bool:
    """Whether a revision stands for "nothing": 40 or 64 zeros."""
    return not revision.strip("0")


@dataclass(frozen=True, slots=True)
class Change:
    """One ref, from its old to its new revision."""

    oldrev: str
    newrev: str
    ref: str

    @property
    def branch(self) -> str | None:
        """The branch's name, or None when the ref is none."""
        return self._name_after(_BRANCH)

    @property
    def tag(self) -> str | None:
        """The tag's name, or None when the ref is none."""
        return self._name_after(_TAG)

    def _name_after(self, prefix: str) -> str | None:
        return self.ref[len(prefix) :] if self.ref.startswith(prefix) and len(self.ref) > len(prefix) else None

    @property
    def creates(self) -> bool:
        return is_blank(self.oldrev)

    @property
    def deletes(self) -> bool:
        return is_blank(self.newrev)

    @property
    def updates(self) -> bool:
        return not self.creates and not self.deletes


def parse_changes(text: str | Iterable[str]) -> tuple[Change, ...]:
    """The changes in the order given; blank lines and CRLF are tolerated.

    Raises MalformedChangesError for a line that is not two ids of equal length, not both zero, and a ref, and for
    nothing at all (contract: decisions 10a).
    """
    lines = text.split("\n") if isinstance(text, str) else list(text)
    changes = tuple(_parse_line(number, line.strip()) for number, line in enumerate(lines, 1) if line.strip())
    if not changes:
        raise MalformedChangesError("changes is blank.")
    return changes


def _parse_line(number: int, line: str) -> Change:
    match = _LINE.fullmatch(line)
    if match is None:
        raise MalformedChangesError(f"Line {number} of changes is not an old revision, a new revision and a ref.")
    oldrev, newrev, rest = match.groups()
    if len(oldrev) != len(newrev):
        raise MalformedChangesError(f"Line {number} of changes has revisions of two lengths.")
    if is_blank(oldrev) and is_blank(newrev):
        raise MalformedChangesError(f"Line {number} of changes has two blank revisions.")
    return Change(oldrev, newrev, rest.split()[0])
