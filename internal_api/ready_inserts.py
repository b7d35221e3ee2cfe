"""INSERT statements that are compiled once: the model stays their definition.

For rows of one table that are inserted again and again; what compiling the statement costs each time
is several times what inserting a row costs. No signals are sent, and rows get no id of the database.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from django.db import connection
from django.db.models import AutoField, Field, Model

M = TypeVar("M", bound=Model)
_Columns = Sequence["Field[Any, Any]"]


class ReadyInsert(Generic[M]):
    """Inserts rows of a model, given as instances that are not saved yet."""

    def __init__(self, model: type[M]) -> None:
        self._model = model
        self._known: tuple[_Columns, str, str] | None = None

    def insert(self, instances: Sequence[M]) -> None:
        """Insert the rows in one statement; a few dozen at most, since each value is a parameter.

        Raises IntegrityError as any INSERT does.
        """
        if not instances:
            return
        columns, head, row = self._known = self._known or self._compiled()
        values = [field.get_db_prep_save(field.pre_save(instance, add=True), connection) for instance in instances for field in columns]
        with connection.cursor() as cursor:
            cursor.execute(head + ", ".join([row] * len(instances)), values)

    def _compiled(self) -> tuple[_Columns, str, str]:
        meta = self._model._meta  # noqa: SLF001  Django's public name for it
        columns = [
            field for field in meta.local_concrete_fields if not isinstance(field, AutoField) and not getattr(field, "generated", False)
        ]
        names = ", ".join(connection.ops.quote_name(field.column) for field in columns)
        head = f"INSERT INTO {connection.ops.quote_name(meta.db_table)} ({names}) VALUES "  # noqa: S608  names of our own
        return columns, head, f"({', '.join(['%s'] * len(columns))})"
