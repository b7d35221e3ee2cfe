"""Querysets that are compiled once: the ORM stays their definition, and asking costs little more than written-out SQL.

Compiling a query with a few joins takes thousands of Python calls, several times all else that answers a request. A ready query is
compiled at its first call in each thread, with places that are filled at every call:

    TOKENS = ReadyQuery(lambda: Token.objects.filter(digest=Given("digest", CharField())).select_related("owner"))
    token = TOKENS.first(digest=digest)

For whole rows and what `select_related` brings; annotations, prefetched rows and slices with given ends are not for this.
"""

import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

from django.db import connections
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.query import get_related_populators  # type: ignore[attr-defined]  # the stubs do not know it

from internal_api.replica import reading_alias
from internal_api.statements import Row, fetch_rows

M = TypeVar("M", bound=Model)


class Given(Expression):
    """A value of this type that is given with each call, by its name."""

    def __init__(self, name: str, output_field: "Field[Any, Any]") -> None:
        super().__init__(output_field=output_field)
        self.name = name

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:
        """A placeholder whose parameter is this object: a call puts its value in its place."""
        return "%s", [self]


class _Compiled:
    """A query for one connection: its text, its parameters, and how a row becomes an instance, as Django's own iteration does it."""

    def __init__(self, queryset: QuerySet[Any], alias: str) -> None:
        compiler: Any = queryset.query.get_compiler(using=alias)
        self.sql, self.params = compiler.as_sql()
        self.alias, self.compiler = alias, compiler
        self.converters = compiler.get_converters([column[0] for column in compiler.select])
        if compiler.annotation_col_map or queryset.query.deferred_loading[0]:
            raise TypeError("A ready query reads whole rows, without annotations.")
        fields = compiler.klass_info["select_fields"]
        self.model, self.columns = compiler.klass_info["model"], slice(fields[0], fields[-1] + 1)
        self.names = [column[0].target.attname for column in compiler.select[self.columns]]
        self.related: list[Any] = get_related_populators(compiler.klass_info, compiler.select, alias)

    def filled(self, values: dict[str, Any]) -> tuple[Any, ...]:
        """The parameters of one call. Raises KeyError for a value that was not given."""
        connection = connections[self.alias]
        return tuple(
            one.output_field.get_db_prep_value(values[one.name], connection) if isinstance(one, Given) else one for one in self.params
        )

    def instances(self, rows: Iterable[Row]) -> Iterator[Any]:
        for row in self.compiler.apply_converters(rows, self.converters) if self.converters else rows:
            instance = self.model.from_db(self.alias, self.names, row[self.columns])
            for populator in self.related:
                populator.populate(row, instance)
            yield instance


class ReadyQuery(Generic[M]):
    """A query that is asked again and again. What `build` makes is compiled at the first call, so models need not be loaded before."""

    def __init__(self, build: Callable[[], QuerySet[M]]) -> None:
        self._build = build
        self._known = threading.local()

    def all(self, **values: Any) -> list[M]:
        """The rows for these values, with what is selected along with them."""
        alias = reading_alias()
        compiled: _Compiled | None = getattr(self._known, alias, None)
        if compiled is None:
            compiled = _Compiled(self._build(), alias)
            setattr(self._known, alias, compiled)
        return list(compiled.instances(fetch_rows(compiled.sql, compiled.filled(values))))

    def first(self, **values: Any) -> M | None:
        """One of them, or None."""
        return next(iter(self.all(**values)), None)
