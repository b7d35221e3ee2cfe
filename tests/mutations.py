"""Requests that are nearly right: one part of a good one replaced by what a careless reader trips over."""

import base64
import json
import random
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from tests.good_requests import Good

RAW = [
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 30,
    "-" + "9" * 30,
    "9" * 5000,
    '"\\u0000"',
    '"\\ud800"',
    '{"a":1,"a":2}',
    "[" * 3000 + "]" * 3000,
]
"""Pieces of JSON that `json.dumps` would not write."""
TEXTS = [
    "\x00", "a\x00b", "\ud800", "9" * 30, "-1", "0", "1e999", "", " ", "\n", "a" * 70_000, "é", "\u0130", "\u212a", "٣", "\u202e", "%00", "%ff", "null", "true",
    "{", "[]", "{}", '"', "'", "../..", "project-" + "9" * 30, "user-" + "9" * 30, "key-\x00", "*", "\\", "\r\n", "0001-01-01", "9999-12-31T23:59:59Z", "2030-02-30",
    'userName eq "\\u0000"', 'userName eq "\\ud800"', 'userName eq "\\x"', 'displayName eq "\\u0000"', 'members[value eq "\\u0000"]', 'members[value eq "\x00"]',
    "urn:ietf:params:scim:schemas:core:2.0:User:active", 'emails[type eq "work"].value', "not (a", "(" * 3000, '"' + "\\" * 3000, "and " * 3000,
    "a: &a [*a]", "? [a]: b", "!!python/object:os.system x", 'a: "\\0"', "refs/heads/" + "x" * 5000, f"{'0' * 40} {'a' * 40} refs/heads/\x00", f"{'0' * 40} {'a' * 40} \ud800",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**64, -(2**63) - 1, [], {}, [None], [[]], [{}], {"": None}, {"a": {"b": []}}, [1] * 2000, ["x"] * 2000, [True, "a", 1, {}, []],
]  # fmt: skip
QUERIES = [
    "%00",
    "%ff",
    "%ed%a0%80",
    "a&{name}=b",
    "&{name}[]=a",
    "&{name}[a]=b",
    "",
    "%F0%9F%98%80",
    "9" * 30,
    "-1",
    "a" * 5000,
    "[" * 500,
]
HOLE = "\x01hole\x01"


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each value in a body."""
    if at:
        yield at
    if isinstance(value, Mapping):
        for name, item in value.items():
            yield from places(item, (*at, name))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from places(item, (*at, index))


def put(value: Any, at: tuple[Any, ...], new: Any) -> Any:
    """A copy of a value with another one in that place."""
    if not at:
        return new
    if isinstance(value, Mapping):
        return {name: put(item, at[1:], new) if name == at[0] else item for name, item in value.items()}
    return [put(item, at[1:], new) if index == at[0] else item for index, item in enumerate(value)]


def get(value: Any, at: tuple[Any, ...]) -> Any:
    for step in at:
        value = value[step]
    return value


def encoded(value: Any, raw: str, chance: random.Random) -> str:
    """JSON inside a string or in base64, with a piece of `raw` inside."""
    text = json.dumps(value)
    spoiled = chance.choice(
        [raw, f"[{raw}]", f'{{"a": {raw}}}', text[:-1] + f', "x": {raw}}}' if text.endswith("}") and text != "{}" else f"[{text}, {raw}]"]
    )
    return base64.b64encode(spoiled.encode("utf-8", "surrogatepass")).decode() if chance.random() < 0.4 else spoiled


def spoiled_body(body: Mapping[str, Any], chance: random.Random) -> bytes:
    """The body in JSON with something wrong in one place or two."""
    raw = None
    for _ in range(chance.choice((1, 1, 1, 2))):
        found = list(places(body))
        if not found:
            break
        at = chance.choice(found)
        match chance.randrange(5):
            case 0:
                raw, new = chance.choice(RAW), HOLE
            case 1:
                new = encoded(get(body, at), chance.choice(RAW), chance)
            case 2:
                new = chance.choice(VALUES)
            case _:
                new = chance.choice(TEXTS)
        body = put(body, at, new)
    text = json.dumps(body)
    return (text.replace(json.dumps(HOLE), raw) if raw else text).encode()


def spoiled_form(body: Mapping[str, Any], chance: random.Random) -> bytes:
    """The body as a form, with one value replaced."""
    name = chance.choice([*body])
    pairs = {key: value if isinstance(value, str) else json.dumps(value) for key, value in body.items()}
    text = "&".join(f"{quote_plus(key)}={quote_plus(value)}" for key, value in pairs.items() if key != name)
    return f"{text}&{quote_plus(name)}={query_value(name, chance)}".encode()


def query_value(name: str, chance: random.Random) -> str:
    """A value in its encoding, or what is none."""
    if chance.random() < 0.5:
        return chance.choice(QUERIES).replace("{name}", quote(name))
    return quote(chance.choice(TEXTS).encode("utf-8", "surrogatepass"))


def spoiled_query(query: Mapping[str, str], chance: random.Random) -> str:
    name = chance.choice([*query, "x"])
    kept = [f"{quote_plus(key)}={quote_plus(value)}" for key, value in query.items() if key != name]
    return "&".join([*kept, f"{quote_plus(name)}={query_value(name, chance)}"])


def spoiled_path(template: str, path: Mapping[str, str], chance: random.Random) -> str:
    """The address, with one of its parameters replaced."""
    name = chance.choice([*path])
    value = chance.choice([*QUERIES[:3], *(quote(text.encode("utf-8", "surrogatepass"), safe="") for text in TEXTS)])
    return template.format(**{**path, name: value or "x"})


def mutation(template: str, good: Good, chance: random.Random) -> tuple[str, bytes, str]:
    """Return an address with its query, a body and a media type, of which one part is spoiled."""
    parts = [
        part
        for part, value in (("path", good.path), ("query", good.query), ("query", good.body), ("body", good.body), ("body", good.body))
        if value
    ]
    part = chance.choice(parts or ["query"])
    address = spoiled_path(template, good.path, chance) if part == "path" else template.format(**good.path)
    query = (
        spoiled_query({**good.query, **_flat(good.body)}, chance)
        if part == "query"
        else "&".join(f"{k}={quote_plus(v)}" for k, v in good.query.items())
    )
    body, media_type = json.dumps(good.body).encode() if good.body else b"", "application/json"
    if good.body and part == "body":
        is_form = chance.random() < 0.25
        body = spoiled_form(good.body, chance) if is_form else spoiled_body(good.body, chance)
        media_type = "application/x-www-form-urlencoded" if is_form else media_type
    elif good.body and part == "query":
        body = b""  # the body would win
    return address + ("?" + query if query else ""), body, media_type


def _flat(body: Mapping[str, Any] | None) -> dict[str, str]:
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in (body or {}).items()}
