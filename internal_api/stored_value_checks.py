"""What the doctor looks at in stored settings, rules and lists: each row that forms and seed files would refuse, by its id."""

from collections import defaultdict
from collections.abc import Iterator

from django.core.exceptions import ValidationError
from django.db import models

from internal_api.doctor import Consultation, Finding, problem, well
from internal_api.postgresql.times import is_nearest
from internal_api.stored_values import first_problem, validate_value

NAME = "stored settings"
MOST = 5
"""Rows that are named for each column and problem."""
_models: list[type[models.Model]] = []


def register_models(*found: type[models.Model]) -> None:
    """Let the doctor look at the rows of these models."""
    _models.extend(model for model in found if model not in _models)


def registered_models() -> list[type[models.Model]]:
    """The models whose rows are looked at."""
    return list(_models)


def check_stored_values(_: Consultation) -> Iterator[Finding]:
    """Tell of each value that the model does not accept."""
    number = 0
    for model in _models:
        found: dict[tuple[str, str], list[object]] = defaultdict(list)
        for row in _rows(model):
            number += 1
            for column, text in row_problems(row):
                found[column, text].append(row.pk)
        for (column, text), ids in found.items():
            yield _finding(model._meta.db_table, column, text, ids)  # noqa: SLF001  Django's public name for it
    yield well(NAME, f"{number} rows looked at")


def _rows(model: type[models.Model]) -> Iterator[models.Model]:
    rows = model._default_manager.select_related(*_relations(model)).order_by("pk")  # noqa: SLF001  the model's manager
    return rows.iterator(chunk_size=1000)


def _relations(model: type[models.Model]) -> list[str]:
    return [field.name for field in model._meta.concrete_fields if field.is_relation]  # noqa: SLF001  Django's public name for it


def row_problems(row: models.Model) -> Iterator[tuple[str, str]]:
    """Yield the columns of a row that are not valid, and why; an empty column for what is wrong with the row as a whole."""
    problems: dict[str, str] = {}
    for field in row._meta.concrete_fields:  # noqa: SLF001  Django's public name for it
        if field.is_relation or field.primary_key:
            continue
        value = getattr(row, field.attname)
        if is_nearest(value):
            problems[field.attname] = "is infinite or beyond the years 1 to 9999"
            continue
        try:
            validate_value(field, value, row)
        except ValidationError as error:
            problems[field.attname] = error.messages[0]
    try:
        row.clean()
    except ValidationError as error:
        column, text = first_problem(error)
        problems.setdefault(column, text)
    yield from problems.items()


def _finding(table: str, column: str, text: str, ids: list[object]) -> Finding:
    shown = ", ".join(str(one) for one in ids[:MOST])
    more = f" and {len(ids) - MOST} more" if len(ids) > MOST else ""
    where = f"{table}.{column}" if column else table
    advice = "Until it is corrected, on the admin site or by a seed file, it counts as what restricts most."
    return problem(NAME, f"{where} of row {shown}{more}: {text}", advice)
