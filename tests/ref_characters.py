"""Characters that Unicode calls white space or digits and Git does not: all but the last four are legal in refs."""

LEGAL = (
    "\u0085", "\u00a0", "\u1680", "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",
    "\u2007", "\u2008", "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
)  # fmt: skip
"""`str.split`, `str.strip` and `\\s` take each of them for white space; Git allows each in a ref."""

ILLEGAL = ("\x1c", "\x1d", "\x1e", "\x1f")
"""White space for Python too; Git allows no control character in a ref."""
