"""A username from whatever an identity provider sends (contract: scim 1.7). Pure."""

import re

BLANK = "blank"
LONGEST = 200
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_.-]")
_ENDING = re.compile(r"(\.git|\.atom|\.)+\Z", re.IGNORECASE | re.ASCII)
_RUN = re.compile(r"([_.-])[_.-]+")


def clean_username(text: str) -> str:
    """Letters, digits and single separators inside; `blank` when nothing is left."""
    name = _FORBIDDEN.sub("", text.partition("@")[0])
    name = _ENDING.sub("", name).lstrip("-") or BLANK
    name = _RUN.sub(r"\1", name.strip("_.-"))
    return name[:LONGEST].rstrip("_.-") or BLANK
