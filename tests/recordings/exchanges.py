"""The recordings as values, and what of them is to be filled in."""

import json
import re
import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

DIRECTORY = Path(__file__).parent
SEED = DIRECTORY / "seed.yaml"
BUNDLE = DIRECTORY / "wget2.bundle"
PLACEHOLDER = re.compile(r"<([a-z-]+?)([-+]\d+)?>")
LETTERS = "abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True)
class Exchange:
    """One line of a recording: a request and the answer that was given to it."""

    line: dict[str, Any]

    @property
    def number(self) -> int:
        return int(self.line["seq"])

    @property
    def path(self) -> str:
        return str(self.line["path"])

    @property
    def headers(self) -> list[tuple[str, str]]:
        return [(name, value) for name, value in self.line["headers"]]

    @property
    def body(self) -> str:
        return str(self.line["body"])

    @property
    def is_injected(self) -> bool:
        """Whether the recording proxy answered, so that the service never saw the request."""
        return bool(self.line["answer"].get("injected"))

    @property
    def seconds_since_last(self) -> float:
        return float(self.line.get("after_s", 0))

    @property
    def shape(self) -> "Shape":
        return shape(str(self.line["method"]), self.path, self.headers, self.body)


class Shape(NamedTuple):
    """What two calls of one kind have in common, whatever their values."""

    agent: str
    method: str
    path: str
    query: tuple[str, ...]
    headers: tuple[str, ...]
    keys: tuple[str, ...]

    @property
    def kind(self) -> tuple[str, str, str]:
        """Who calls what."""
        return self.agent, self.method, self.path


def shape(method: str, path: str, headers: Iterable[tuple[str, str]], body: str) -> Shape:
    """Return the names that a request has, in order: headers, query, keys of its JSON."""
    address, _, query = path.partition("?")
    listed = list(headers)
    try:
        values = json.loads(body)
    except ValueError:
        values = {}
    return Shape(
        dict(listed)["User-Agent"],
        method,
        address,
        tuple(name for name, _ in parse_qsl(query)),
        tuple(name for name, _ in listed),
        tuple(values),
    )


@cache
def recorded_shapes() -> frozenset[Shape]:
    """Return every shape of a request that a real client was seen to send."""
    return frozenset(exchange.shape for exchange in everything())


@dataclass(frozen=True)
class Recording:
    """A file of exchanges that build on each other."""

    name: str
    exchanges: list[Exchange]

    @property
    def extra_seed(self) -> str | None:
        return self.exchanges[0].line.get("extra_seed")


def names() -> list[str]:
    """The names of all recordings that are here."""
    return sorted(path.stem for path in DIRECTORY.glob("*.jsonl"))


def load(name: str) -> Recording:
    """Read a recording."""
    lines = (DIRECTORY / f"{name}.jsonl").read_text().splitlines()
    return Recording(name, [Exchange(json.loads(line)) for line in lines])


def everything() -> Iterator[Exchange]:
    """Every exchange of every recording."""
    for name in names():
        yield from load(name).exchanges


def _invented(kind: str, suffix: str) -> str:
    """Any value for a placeholder that no answer has bound."""
    number = int(suffix or 0)
    if kind == "date":
        return (datetime.now(UTC) + timedelta(days=number)).date().isoformat()
    if kind == "port":
        return str(40000 - number)
    if kind == "quarantine":
        return "".join(secrets.choice(LETTERS) for _ in range(6))
    return f"{kind}-{secrets.token_hex(8)}"


@dataclass
class Placeholders:
    """The values of one replay: the same name stands for the same value throughout."""

    known: dict[str, str] = field(default_factory=dict)

    def fill(self, text: str) -> str:
        """Return a text of a request with every placeholder replaced."""
        return PLACEHOLDER.sub(self._value, text)

    def _value(self, found: re.Match[str]) -> str:
        name = found[0]
        if name not in self.known:
            self.known[name] = _invented(found[1], found[2] or "")
        return self.known[name]

    def matches(self, recorded: str, actual: str) -> bool:
        """Whether a text of an answer is the recorded one; binds placeholders that are new."""
        pattern, new, end = "", [], 0
        for found in PLACEHOLDER.finditer(recorded):
            pattern += re.escape(recorded[end : found.start()])
            end = found.end()
            if found[0] in self.known:
                pattern += re.escape(self.known[found[0]])
            else:
                new.append(found[0])
                pattern += "(.+?)"
        match = re.fullmatch(pattern + re.escape(recorded[end:]), actual, re.DOTALL)
        if match is None:
            return False
        self.known.update(zip(new, match.groups(), strict=True))
        return True
