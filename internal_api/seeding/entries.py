"""Entries of a seed file: typed values, and errors that say where in the file something is wrong."""

import difflib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from typing import Any

from django.utils.dateparse import parse_date, parse_datetime

from internal_api.errors import DomainError
from internal_api.seeding.batches import ListPart
from internal_api.seeding.spooled import Spooled
from internal_api.stored_values import InvalidValueError

LARGEST = 2**63 - 1
LARGEST_ID = 2**53


class SeedError(Exception):
    """The file cannot be applied: where, and why."""

    def __init__(self, path: str, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(f"{path}: {problem}" if path else problem)


@contextmanager
def located(path: str) -> Iterator[None]:
    """Turn a domain error, which does not know of files, into an error at this place of the file."""
    try:
        yield
    except InvalidValueError as error:
        raise SeedError(f"{path}.{error.field}" if error.field else path, error.problem) from error
    except DomainError as error:
        raise SeedError(path, str(error)) from error


Parser = Callable[[Any, str], Any]


def text(value: Any, path: str) -> str:
    """A string that is not empty; YAML reads an unquoted 123 as a number, which is taken as its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not value.strip():
        raise SeedError(path, "is not a text")
    if "\x00" in value:
        raise SeedError(path, "has a NUL character")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise SeedError(path, "has half of a surrogate pair") from None
    return value


def any_text(value: Any, path: str) -> str:
    """A string that may be empty; null is empty."""
    return "" if value is None or value == "" else text(value, path)


def integer(value: Any, path: str) -> int:
    """A number from 0 up to 64 bits."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST:
        raise SeedError(path, "is not a number")
    return value


def row_id(value: Any, path: str) -> int:
    """The id of a row. Far below 64 bits: the next row that is made without one gets the next id."""
    if integer(value, path) > LARGEST_ID:
        raise SeedError(path, f"is above {LARGEST_ID}, beyond which ids could run out")
    return int(value)


def boolean(value: Any, path: str) -> bool:
    """True or false."""
    if not isinstance(value, bool):
        raise SeedError(path, "is not true or false")
    return value


def day(value: Any, path: str) -> date:
    """A date."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    try:
        parsed = parse_date(text(value, path))
    except ValueError:
        parsed = None
    if parsed is None:
        raise SeedError(path, "is not a date such as 2030-01-31")
    return parsed


def moment(value: Any, path: str) -> datetime:
    """A time; one without an offset is UTC, a date is its midnight."""
    if isinstance(value, str):
        try:
            value = parse_datetime(value) or parse_date(value)
        except ValueError:
            value = None
    if isinstance(value, datetime):
        try:
            return (value if value.tzinfo else value.replace(tzinfo=UTC)).astimezone(UTC)
        except OverflowError:  # 9999-12-31T23:59:59-05:00 is a time of the year 10000, which only PostgreSQL can keep
            raise SeedError(path, "is not a time of the years 1 to 9999 in UTC") from None
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise SeedError(path, "is not a time such as 2030-01-31T12:00:00Z")


def texts(value: Any, path: str) -> list[str]:
    """A list of strings."""
    if not isinstance(value, list):
        raise SeedError(path, "is not a list")
    return [text(item, f"{path}[{index}]") for index, item in enumerate(value)]


def mapping(value: Any, path: str) -> dict[str, Any]:
    """An object with string keys."""
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        raise SeedError(path, "is not a mapping")
    return value


def listing(value: Any, path: str) -> list[Any] | Spooled:
    """A list of anything."""
    if not isinstance(value, list | Spooled):
        raise SeedError(path, "is not a list")
    return value


def optional(parser: Parser) -> Parser:
    """The same, or null."""
    return lambda value, path: None if value is None else parser(value, path)


def choice(options: Collection[Any]) -> Parser:
    """One of a few words."""

    def parse(value: Any, path: str) -> Any:
        if value not in options:
            raise SeedError(path, f"{value!r} is none of: {', '.join(repr(option) for option in options)}")
        return value

    return parse


class Entry:
    """One mapping of the file, at a path such as `projects[2].members`. Refuses keys that nobody knows."""

    def __init__(self, values: Any, path: str, known: Collection[str]) -> None:
        self.path = path
        self.values: Mapping[str, Any] = mapping(values, path)
        for key in self.values:
            if key not in known:
                near = difflib.get_close_matches(key, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise SeedError(self.at(key), f"is not a known key{hint}")

    def __contains__(self, key: str) -> bool:
        return key in self.values

    def at(self, key: str) -> str:
        """Where a key of this entry is."""
        return f"{self.path}.{key}" if self.path else key

    def read(self, key: str, parser: Parser) -> Any:
        """A value that has to be there."""
        if key not in self.values:
            raise SeedError(self.at(key), "is missing")
        return parser(self.values[key], self.at(key))

    def get(self, key: str, parser: Parser, default: Any = None) -> Any:
        """A value, or the default where the key is absent."""
        return parser(self.values[key], self.at(key)) if key in self.values else default

    def fields(self, parsers: Mapping[str, Parser]) -> dict[str, Any]:
        """The values of those keys that are there, under the same names."""
        return {key: parser(self.values[key], self.at(key)) for key, parser in parsers.items() if key in self.values}

    @property
    def is_absent(self) -> bool:
        """Whether the entry asks for what it names to be removed."""
        return bool(self.get("absent", boolean, default=False))

    def problem(self, key: str, problem: object) -> SeedError:
        """An error at one of the keys."""
        return SeedError(self.at(key), str(problem))


def children(value: Any, path: str, known: Collection[str]) -> Iterator[Entry]:
    """The entries of a list; each may be marked absent."""
    first = value.first if isinstance(value, ListPart) else 0
    for index, item in enumerate(listing(value, path), first):
        yield Entry(item, f"{path}[{index}]", {*known, "absent"})
