"""Filters, from text to terms (contract: scim 1.5, D5). Pure.

One parser for what RFC 7644 and its clients write: quoted strings with escapes, bare words, attribute names and operators in
any letter case, names with a URN in front. Only `attribute eq value`, alone or joined by `and`, is searched by.
"""

import re
from dataclasses import dataclass

from internal_api.json_input import InvalidJSONError, decode_quoted, refuse_unstorable_text

SEARCHED = {"id": "extern_uid", "externalid": "extern_uid", "username": "username"}
LONGEST = 4096
MOST_TERMS = 20
_CORE = "urn:ietf:params:scim:schemas:core:2.0:user:"
_TOKEN = re.compile(r"""\s*(?P<token>"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"]+)(?=\s|$)""", re.DOTALL | re.ASCII)
_TERM_LENGTH = 3


class MalformedFilterError(ValueError):
    """A filter that is not understood or not searched by."""


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison: `attribute` is `extern_uid` or `username`."""

    attribute: str
    value: str


def parse_filter(text: str) -> tuple[Term, ...]:
    """The terms, all of which have to hold. Raises MalformedFilterError."""
    tokens = _tokens(text)
    terms = []
    while True:
        terms.append(_term(tokens[:_TERM_LENGTH]))
        rest = tokens[_TERM_LENGTH:]
        if not rest:
            return tuple(terms)
        if rest[0].lower() != "and" or len(terms) == MOST_TERMS:
            raise MalformedFilterError(text)
        tokens = rest[1:]


def _tokens(text: str) -> list[str]:
    if len(text) > LONGEST:
        raise MalformedFilterError(text)
    tokens, position, end = [], 0, len(text.rstrip())
    while position < end:
        match = _TOKEN.match(text, position)
        if match is None:
            raise MalformedFilterError(text)
        tokens.append(match["token"])
        position = match.end()
    return tokens


def _term(tokens: list[str]) -> Term:
    if len(tokens) != _TERM_LENGTH or tokens[1].lower() != "eq":
        raise MalformedFilterError(" ".join(tokens))
    attribute = SEARCHED.get(tokens[0].lower().removeprefix(_CORE))
    value = unquoted(tokens[2])
    if attribute is None or not value:
        raise MalformedFilterError(" ".join(tokens))
    return Term(attribute, value)


def unquoted(token: str) -> str:
    """A value without its quotes. Raises MalformedFilterError for an escape that is none."""
    try:
        if token.startswith('"'):
            return decode_quoted(token)
        refuse_unstorable_text(token)
    except InvalidJSONError:
        raise MalformedFilterError(token) from None
    return token[1:-1] if token.startswith("'") else token


def display_name_filter(text: str) -> str | None:
    """The name in `displayName eq "x"`, anywhere in the text; None for any other filter (contract: scim 1.10)."""
    match = re.search(r"""displayName\s+eq\s+(?:"((?:[^"\\]|\\.)*)"|'([^']*)')""", text[:LONGEST], re.IGNORECASE | re.ASCII)
    if match is None:
        return None
    try:
        return unquoted(f'"{match[1]}"' if match[1] is not None else f"'{match[2]}'")
    except MalformedFilterError:
        return None
