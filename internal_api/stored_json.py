"""JSON columns, read such that no row is a fault: PostgreSQL keeps numbers and nesting that Python cannot hold.

`StoredJSONField` is for what administrators set: a value that cannot be read stands on the model as it is stored, is refused by
validation and kept when the row is saved. `RecordedJSONField` is for what the service writes down itself: such a value counts as
empty, and `ReportsUnreadableJSON` names the row in the log.
"""

import json
from typing import Any, Self

from django.core.exceptions import ValidationError
from django.db import models

from internal_api.json_input import InvalidJSONError, decode_stored
from internal_api.stored_values import report_unreadable

LONGEST_SHOWN = 1000


class UnreadableJSON:
    """The stored text of a value that cannot be read, and why: neither a list nor a mapping, and equal to no readable value."""

    def __init__(self, stored: str, problem: str) -> None:
        self.stored, self.problem = stored, problem

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnreadableJSON) and other.stored == self.stored

    def __hash__(self) -> int:
        return hash(self.stored)

    def __repr__(self) -> str:
        return f"<JSON that {self.problem}>"

    def shown(self) -> str:
        """The beginning of the text, which is no valid value either."""
        return self.stored[:LONGEST_SHOWN]


class _AsStored(json.JSONEncoder):
    def encode(self, o: Any) -> str:
        return o.stored if isinstance(o, UnreadableJSON) else super().encode(o)


class StoredJSONField(models.JSONField):
    """A JSON column that an administrator sets."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the value, or UnreadableJSON."""
        if not isinstance(value, str):
            return value
        try:
            return decode_stored(value)
        except InvalidJSONError as error:
            return UnreadableJSON(value, str(error))

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        if isinstance(value, UnreadableJSON):
            return connection.ops.adapt_json_value(value, _AsStored)
        return super().get_db_prep_value(value, connection, prepared)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Accept what can be read."""
        if isinstance(value, UnreadableJSON):
            raise ValidationError(f"The value {value.problem}.")
        super().validate(value, model_instance)


class UnreadableList(list[Any]):
    """Stands for a recorded list that cannot be read."""


class UnreadableMapping(dict[str, Any]):
    """Stands for a recorded mapping that cannot be read."""


class RecordedJSONField(models.JSONField):
    """A JSON column that the service writes. For migrations it is Django's own, which its columns are."""

    def deconstruct(self) -> Any:
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return the value, or an empty one that says that it could not be read; likewise for one of another type than the default's."""
        if not isinstance(value, str):
            return value
        try:
            found = decode_stored(value, has_large_integers=True)
        except InvalidJSONError:
            found = None if self.default in (list, dict) else UnreadableMapping()
        if self.default is list and not isinstance(found, list):
            return UnreadableList()
        if self.default is dict and not isinstance(found, dict):
            return UnreadableMapping()
        return found


class ReportsUnreadableJSON(models.Model):
    """A row whose recorded JSON, where it cannot be read, is reported when the row is."""

    class Meta:
        abstract = True

    @classmethod
    def from_db(cls, db: str | None, field_names: Any, values: Any) -> Self:
        """Return the row, and report each column that cannot be read."""
        row = super().from_db(db, field_names, values)
        for name, value in row.__dict__.items():
            if isinstance(value, UnreadableList | UnreadableMapping):
                report_unreadable(cls._meta.db_table, name, row.pk)
        return row
