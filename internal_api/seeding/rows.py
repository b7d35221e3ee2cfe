"""Finding the row that an entry means, and the rules of the models on what an entry says."""

from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from internal_api.model_fields import invalid_part
from internal_api.seeding.entries import Entry, Parser, SeedError, row_id
from internal_api.stored_values import column, update_row, validate_value


def matched_row(entry: Entry, rows: QuerySet[Any], by_name: QuerySet[Any], name: str) -> Any:
    """The row an entry names by its natural key, by its id, or by both; None when there is none yet.

    Raises SeedError when the id and the natural key name two different rows.
    """
    named = by_name.first()
    identifier = entry.get("id", row_id)
    if identifier is None:
        return named
    identified: Model | None = rows.filter(pk=identifier).first()
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
