"""Values that administrators set: what makes one invalid, and what happens when a stored one cannot be read.

The rule on a value stands on its model field. Forms, seed files and commands ask the field; `report_unreadable` is for rows
that were changed past all of them.
"""

import logging
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import models

from internal_api.errors import UnprocessableError

logger = logging.getLogger(__name__)

Problem = tuple[str, str]
"""Where in a value something is wrong, such as `[2].message`, and what."""
Row = TypeVar("Row", bound=models.Model)
FindProblems = Callable[[Any], Iterable[Problem]]


class InvalidPartError(ValidationError):
    """Part of a value is invalid: `place` says which part, `problem` what is wrong with it."""

    def __init__(self, place: str, problem: str) -> None:
        self.place, self.problem = place, problem
        super().__init__(f"{place.lstrip('.')}: {problem}" if place else problem)


class InvalidValueError(UnprocessableError):
    """A row is not accepted: `field`, empty where it is not about one, and `problem`."""

    def __init__(self, field: str = "", problem: str = "is not valid") -> None:
        self.field, self.problem = field, problem
        super().__init__(f"{field}: {problem}" if field else problem)


def refuse_problems(problems: Iterable[Problem]) -> None:
    """Raise InvalidPartError for the first problem."""
    for place, problem in problems:
        raise InvalidPartError(place, problem)


def column(model: type[models.Model], name: str) -> "models.Field[Any, Any]":
    """The model's field of this name, which has to be a column."""
    field = model._meta.get_field(name)  # noqa: SLF001  Django's public name for it
    if not isinstance(field, models.Field):
        raise TypeError(f"{model.__name__}.{name} is not a column")
    return field


def validate_value(field: "models.Field[Any, Any]", value: Any, row: models.Model | None = None) -> None:
    """Raise ValidationError unless the field accepts the value; where it may be blank, blank is accepted unasked, as in forms."""
    if field.blank and value in (None, ""):
        return
    field.clean(value, row)


def is_valid(row: models.Model, name: str) -> bool:
    """Whether the model's field of this name accepts the row's value."""
    try:
        validate_value(column(type(row), name), getattr(row, name), row)
    except ValidationError:
        return False
    return True


def validate_fields(row: models.Model, names: Iterable[str] | None = None) -> None:
    """Raise InvalidValueError unless the model's fields of these names, or all, and the model's `clean` accept the row.

    Foreign keys, uniqueness and constraints are the database's to check: they would cost a query each.
    """
    concrete = row._meta.concrete_fields  # noqa: SLF001  Django's public name for it
    chosen = None if names is None else set(names)
    excluded = {field.name for field in concrete if field.is_relation or (chosen is not None and field.name not in chosen)}
    try:
        row.clean_fields(exclude=excluded)
        row.clean()
    except ValidationError as error:
        raise InvalidValueError(*first_problem(error)) from error


def first_problem(error: ValidationError) -> tuple[str, str]:
    """The field that the first of a model's complaints is about, empty for none, and the complaint."""
    if not hasattr(error, "error_dict"):
        return "", str(error.messages[0])
    field, messages = next(iter(error.message_dict.items()))
    return "" if field == "__all__" else field, messages[0]


def create_row(model: type[Row], **values: Any) -> Row:
    """Validate and insert a row. Raises InvalidValueError."""
    row = model(**values)
    validate_fields(row)
    row.save(force_insert=True)
    return row


def update_row(row: models.Model, values: dict[str, Any]) -> bool:
    """Set what differs, validate it and save; return whether anything did. Raises InvalidValueError."""
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        validate_fields(row, changed)
        row.save()
    return bool(changed)


def report_unreadable(table: str, column: str, row_id: object) -> None:
    """Log that a stored value cannot be read, by table, column and id; never the value, which may be a secret."""
    fields = {"table": table, "column": column, "row": row_id}
    logger.error("Stored value cannot be read: %s.%s of row %s", table, column, row_id, extra={"fields": fields})


def is_readable(row: models.Model, name: str) -> bool:
    """Whether the model's field of this name accepts the row's stored value; one that it does not accept is reported."""
    if is_valid(row, name):
        return True
    report_unreadable(row._meta.db_table, name, row.pk)  # noqa: SLF001  Django's public name for it
    return False
