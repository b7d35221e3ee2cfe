"""What a push changes: lines of `oldrev newrev ref`, as Gitaly's hook reads them from Git (contract: allowed 5.1, gitaly 2.3)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

ANY = "_any"
"""What GitLab Shell sends in place of changes, before the client has said what it will push."""

_BLANKS = " \t"
_LINE = re.compile(
    r"([0-9a-fA-F]{40}|[0-9a-fA-F]{64})[ \t]+([0-9a-fA-F]{40}|[0-9a-fA-F]{64})[ \t]+([^ \t].*)",
    re.DOTALL,
)
_CONTROL_CHARACTER = re.compile(r"[\x00-\x1f\x7f]")
"""Git allows these in no ref (git-check-ref-format, rule 4), so such a line is not Git's."""
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
    """Return the changes in the order given; blank lines and CRLF are tolerated.

    Lines are Git's, so white space is ASCII space and tab, and the ref is the rest of the line as
    it stands: U+00A0 or U+3000 are part of a name that Git keeps (contract: decisions 10a).

    Raises MalformedChangesError for a line that is not two ids of equal length, not both zero, and
    a ref, and for nothing at all.
    """
    lines = text.split("\n") if isinstance(text, str) else list(text)
    trimmed = [line.removesuffix("\r").strip(_BLANKS) for line in lines]
    changes = tuple(_parse_line(number, line) for number, line in enumerate(trimmed, 1) if line)
    if not changes:
        raise MalformedChangesError("changes is blank.")
    return changes


def _parse_line(number: int, line: str) -> Change:
    match = _LINE.fullmatch(line)
    if match is None:
        raise MalformedChangesError(f"Line {number} of changes is not an old revision, a new revision and a ref.")
    oldrev, newrev, ref = match.groups()
    if len(oldrev) != len(newrev):
        raise MalformedChangesError(f"Line {number} of changes has revisions of two lengths.")
    if is_blank(oldrev) and is_blank(newrev):
        raise MalformedChangesError(f"Line {number} of changes has two blank revisions.")
    if _CONTROL_CHARACTER.search(ref):
        raise MalformedChangesError(f"Line {number} of changes has a ref with a control character.")
    return Change(oldrev, newrev, ref)
