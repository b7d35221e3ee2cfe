"""Finding the row that an entry means."""

from typing import Any

from django.db.models import Model, QuerySet

from internal_api.seeding.entries import Entry, SeedError, integer


def matched_row(entry: Entry, rows: QuerySet[Any], by_name: QuerySet[Any], name: str) -> Any:
    """The row an entry names by its natural key, by its id, or by both; None when there is none yet.

    Raises SeedError when the id and the natural key name two different rows.
    """
    named = by_name.first()
    identifier = entry.get("id", integer)
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
    identifier = entry.get("id", integer)
    if identifier == 0:
        raise SeedError(entry.at("id"), "0 is no id")
    return {} if identifier is None else {"id": identifier}


def update(row: Any, values: dict[str, Any]) -> bool:
    """Set what differs and save; whether anything did."""
    changed = {name: value for name, value in values.items() if getattr(row, name) != value}
    for name, value in changed.items():
        setattr(row, name, value)
    if changed:
        row.save()
    return bool(changed)
