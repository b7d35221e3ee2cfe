"""Where this version answers otherwise than the recorded one did, and why.

Recorded with version 0.1.0. A row says which lines (pattern of NAME:SEQ), which part of the answer
(`status`, a header's name, or a path into the body such as `messages` or `gitaly.token`), what has
to be there instead, and the rule behind it. A row for one line that is answered as recorded again
is an error.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any


@dataclass(frozen=True)
class Difference:
    """A part of some answers that is not as it was recorded."""

    lines: str
    part: str
    expected: str
    holds: Callable[[Any], bool]
    reason: str

    def concerns(self, line: str, part: str) -> bool:
        return part == self.part and fnmatch(line, self.lines)


DIFFERENCES = [
    Difference(
        "shell-rate-limited:6",
        "Retry-After",
        "1 to 7",
        lambda value: value.isdigit() and 1 <= int(value) <= 7,
        "gitlab-sshd waits as long in silence, twice",
    ),
    Difference(
        "shell-push-to-create:*",
        "gl_root_namespace_id",
        "an integer",
        lambda value: isinstance(value, int),
        "the id of a personal namespace depends on the database's sequences",
    ),
]
"""Each is used by some line, which a test watches."""
