"""Names of branches and tags: which ones Git and people can use, and which patterns cover them (contract: allowed 5.4 to 5.6)."""

import re

_LIKE_AN_OBJECT_ID = re.compile(r"[0-9a-fA-F]{40}")
REPLACEMENT_CHARACTER = "\ufffd"


def looks_like_an_object_id(name: str) -> bool:
    """Whether a name begins with 40 hexadecimal digits, so that Git might take it for an id."""
    return _LIKE_AN_OBJECT_ID.match(name) is not None


def covers(pattern: str, name: str) -> bool:
    """Whether a pattern, in which `*` alone is special and stands for any run of characters, covers a whole name.

    Looks for the pieces between the stars from left to right, so that no pattern takes long.
    """
    first, *pieces = pattern.split("*")
    if not pieces:
        return pattern == name
    last = pieces.pop()
    if len(name) < len(first) + len(last) or not name.startswith(first) or not name.endswith(last):
        return False
    position, end = len(first), len(name) - len(last)
    for piece in pieces:
        found = name.find(piece, position, end)
        if found < 0:
            return False
        position = found + len(piece)
    return True
