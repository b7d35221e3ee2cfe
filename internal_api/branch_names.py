"""Which names a branch or a tag may have (contract: allowed 5.4). Standard library only, since the access policy imports it."""

import re

_FORBIDDEN_CHARACTERS = r"\x00-\x20\x7f~^:?\[\\"
_FORBIDDEN = re.compile(rf"[{_FORBIDDEN_CHARACTERS}*]|\.\.|@\{{|//|/\.|\.lock(/|$)|\.$|/$|^/|^\.")
_NEVER_MATCHES = re.compile(rf"[{_FORBIDDEN_CHARACTERS}]|\.\.|@\{{|//|^/|/$")


def is_valid_name(name: str) -> bool:
    """Whether a name may be given to a branch or a tag: legal for Git, and no trap for people."""
    if not name or name == "HEAD" or name.startswith(("-", "refs/heads/", "refs/remotes/")):
        return False
    return _FORBIDDEN.search(name) is None


def can_match_a_name(pattern: str) -> bool:
    """Whether a name or a pattern with `*` can cover any ref at all: Git has no names with what it forbids."""
    return bool(pattern) and _NEVER_MATCHES.search(pattern) is None
