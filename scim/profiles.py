"""How strictly a token's callers are answered: one object per token, so that RFC 7644 to the letter can be another (contract: scim 3)."""

import re
from dataclasses import dataclass

DEFAULT_PAGE, LARGEST_PAGE = 20, 100
_INTEGER = re.compile(r"\s*[+-]?\d{1,18}\s*", re.ASCII)
_LARGEST = 10**18 - 1
"""The largest number in a text that the pattern takes; a page that starts later is as empty as any beyond the end."""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a list: `start` counts from 1."""

    start: int
    size: int

    @property
    def offset(self) -> int:
        return self.start - 1


class GitLabProfile:
    """GitLab's way: the "gitlab profile" of every row of scim 3."""

    name = "gitlab"

    def page(self, start_index: object, count: object) -> Page:
        """A start below 1 is 1; a count that is none, or not positive, is 20, and 100 the most (D20, D22)."""
        size = _integer(count) or 0
        return Page(max(_integer(start_index) or 1, 1), min(size, LARGEST_PAGE) if size > 0 else DEFAULT_PAGE)

    def items_per_page(self, page: Page, shown: int) -> int:
        """The size of the page, not the number shown (D21)."""
        return page.size


_PROFILES = {GitLabProfile.name: GitLabProfile()}


def profile_of(name: str) -> GitLabProfile:
    """The profile of that name, which a token carries."""
    return _PROFILES.get(name, _PROFILES[GitLabProfile.name])


def _integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return min(value, _LARGEST)
    return int(value) if isinstance(value, str) and _INTEGER.fullmatch(value) else None
