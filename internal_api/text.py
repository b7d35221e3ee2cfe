"""Letters and digits of names that are ASCII by definition: paths, usernames, ids."""

from string import ascii_lowercase, ascii_uppercase

_TO_LOWER = str.maketrans(ascii_uppercase, ascii_lowercase)


def ascii_lower(text: str) -> str:
    """Return the text with A to Z in lower case and everything else as it stands.

    `str.lower` makes `k` of U+212A (the Kelvin sign), which would let a name that nobody has name
    somebody; SQLite's `lower()` knows ASCII only and PostgreSQL's goes by its locale.
    """
    return text.lower() if text.isascii() else text.translate(_TO_LOWER)
