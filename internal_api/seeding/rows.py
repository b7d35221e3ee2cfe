"""Finding the row that an entry means, and the rules of the models on what an entry says."""

from collections.abc import Hashable, Iterable, Sequence
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from internal_api.model_fields import invalid_part
from internal_api.seeding.entries import Entry, Parser, SeedError, row_id
from internal_api.seeding.registry import TogetherError
from internal_api.stored_values import column, update_row, validate_value

_Name = TypeVar("_Name", bound=Hashable)


def matched_row(entry: Entry, rows: QuerySet[Any], by_name: QuerySet[Any], name: str) -> Any:
    """The row an entry names by its natural key, by its id, or by both; None when there is none yet.

    Raises SeedError when the id and the natural key name two different rows.
    """
    named = by_name.first()
    identifier = entry.get("id", row_id)
    identified = rows.filter(pk=identifier).first() if identifier is not None else None
    return one_row(entry, named, identified, name)


def one_row(entry: Entry, named: Any, identified: Model | None, name: str) -> Any:
    """The row that was found by an entry's natural key and by its id. Raises SeedError when these are two."""
    identifier = entry.get("id", row_id)
    if identifier is None:
        return named
    if identified is not None and (named is None or named.pk != identified.pk):
        raise SeedError(entry.at("id"), f"{identifier} is the id of another row, not of {name}")
    if identified is None and named is not None:
        raise SeedError(entry.at("id"), f"{name} has the id {named.pk} already")
    return named


def new_id(entry: Entry) -> dict[str, Any]:
    """The id for a new row, where the entry chooses one."""
    identifier = entry.get("id", row_id)
    if identifier == 0:
        raise SeedError(entry.at("id"), "0 is no id")
    return {} if identifier is None else {"id": identifier}


def update(row: Any, values: dict[str, Any]) -> bool:
    """Set what differs, validate it and save; whether anything did. Raises InvalidValueError."""
    return update_row(row, values)


def checked(model: type[Model], name: str, parser: Parser) -> Parser:
    """The parser, after which the model's field of this name has its say, so that no rule stands in two places."""
    field = column(model, name)

    def parse(value: Any, path: str) -> Any:
        parsed = parser(value, path)
        try:
            validate_value(field, parsed)
        except ValidationError as error:
            part = invalid_part(error)
            raise (SeedError(path + part.place, part.problem) if part else SeedError(path, error.messages[0])) from error
        return parsed

    return parse


def rows_by_id(entries: Sequence[Entry], rows: QuerySet[Any]) -> dict[int, Any]:
    """The rows of the ids that entries choose."""
    chosen = [entry.get("id", row_id) for entry in entries if "id" in entry]
    return rows.in_bulk(chosen) if chosen else {}


def distinct(names: Iterable[_Name]) -> list[_Name]:
    """The names. Raises TogetherError where two are the same: the later entry is about the earlier one's row."""
    found = list(names)
    if len(set(found)) != len(found):
        raise TogetherError
    return found
