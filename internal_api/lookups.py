"""`field__in` with a list of any length: above SHORT one parameter, an array, instead of a parameter for each value.

PostgreSQL takes 65,535 parameters in a statement, SQLite 32,766 unless it was built with more. Short lists keep Django's SQL.
"""

import json
from typing import Any, cast

from django.db.models import Field, ForeignObject
from django.db.models.fields.related_lookups import RelatedIn
from django.db.models.lookups import In

SHORT = 1000
_VALUES = "(SELECT value FROM json_each(%s))"
SQL = tuple[str, Any]


@Field.register_lookup
class LongIn(In):  # type: ignore[type-arg]  # generic in the stubs only
    """`in` of a column; Django asks for `as_<vendor>` before `as_sql`."""

    def as_postgresql(self, compiler: Any, connection: Any) -> SQL:
        values = self._long_list(compiler, connection)
        if values is None:
            return cast("SQL", self.as_sql(compiler, connection))
        lhs, params = self.process_lhs(compiler, connection)
        # Without the length of the column, which a cast would cut longer values to.
        kind = self.lhs.output_field.db_type(connection).split("(")[0]
        return f"{lhs} = ANY(%s::{kind}[])", [*params, values]

    def as_sqlite(self, compiler: Any, connection: Any) -> SQL:
        values = self._long_list(compiler, connection)
        if values is None:
            return cast("SQL", self.as_sql(compiler, connection))
        lhs, params = self.process_lhs(compiler, connection)
        return f"{lhs} IN " + _VALUES, [*params, json.dumps(values)]

    def _long_list(self, compiler: Any, connection: Any) -> list[Any] | None:
        """Return the values of a long list; None for a short one, a query, and a list of expressions."""
        if not self.rhs_is_direct_value() or len(self.rhs) <= SHORT:
            return None
        sql, values = self.process_rhs(compiler, connection)
        return list(values) if sql.count("%s") == len(values) == sql.count(",") + 1 else None


@ForeignObject.register_lookup
class LongRelatedIn(LongIn, RelatedIn):
    """`in` of a foreign key."""
