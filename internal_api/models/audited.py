"""Models whose changes are written to the audit log by themselves, in the transaction of the change.

Whatever changes a row - a service, a form of the admin site, a seed file, `update()`, `bulk_create()` - goes through a method
of these classes, so that nobody can forget the event. What is no configuration (when a key was last used, how many deliveries
failed) is named in `audit_ignored` and costs nothing. Rows that a deletion takes along are counted in its one event.
"""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, ClassVar, Self, TypeVar

from django.db import connections, models, router, transaction

from internal_api.acting import OPERATORS, current_actor
from internal_api.bulk_writes import copy_rows, update_rows
from internal_api.encryption import EncryptedTextField
from internal_api.masking import MASK, is_secret_name, masked
from internal_api.models.audit_event import AuditEvent
from internal_api.stored_json import UnreadableJSON

ALWAYS_IGNORED = frozenset({"id", "created_at", "updated_at", "last_used_at"})
BATCH = 500
COPIED = 20
"""So many events at once are written by COPY where there is one."""
CREATED, CHANGED, REMOVED = "created", "changed", "removed"
Values = dict[str, Any]
_Row = TypeVar("_Row", bound="Audited")
_names: ContextVar[dict[str, tuple[str, Values]]] = ContextVar("audit_names", default={})  # noqa: B039  never changed in place


@contextmanager
def naming(former: str, action: str, **details: Any) -> Iterator[None]:
    """Let events inside that would be called `former` be called `action`, and have these details."""
    token = _names.set({**_names.get(), former: (action, details)})
    try:
        yield
    finally:
        _names.reset(token)


class AuditedQuerySet(models.QuerySet[_Row]):
    """Writes events for changes of many rows at once too."""

    def update(self, **kwargs: Any) -> int:
        """Update the rows, and write an event for each that is another afterwards; as Django's for bookkeeping alone."""
        if not self.model.is_audited_change(kwargs):
            return super().update(**kwargs)
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):
            rows = list(_locked(self.select_related(None).order_by()))
            return sum(self._update_some(rows[start : start + BATCH], kwargs) for start in range(0, len(rows), BATCH))

    update.alters_data = True  # type: ignore[attr-defined]  # Django's mark for templates

    def _update_some(self, rows: list[_Row], kwargs: Values) -> int:
        before = {row.pk: row.audit_values() for row in rows}
        number = super(AuditedQuerySet, self.filter(pk__in=list(before))).update(**kwargs)
        after = self.model._base_manager.using(self.db).filter(pk__in=list(before))  # noqa: SLF001  the manager that sees all rows
        after = after.select_related(*self.model.audit_related)
        events = [row.change_event(before[row.pk]) for row in after.order_by("pk")]
        write_events(events, self.db)
        return number

    def delete(self) -> tuple[int, dict[str, int]]:
        """Delete the rows and what depends on them, and write an event for each of them."""
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):
            # Locked, so that of two who delete at once one finds nothing; related rows stay free.
            rows = list(self.select_related(*self.model.audit_related).select_for_update(of=("self",)))
            events = [row.event(REMOVED, _absent(row.audit_values())) for row in rows]
            result = super().delete()
            if len(rows) == 1:
                events[0].details |= _taken_along(rows[0], result[1])
            write_events(events, self.db)
        return result

    delete.alters_data = True  # type: ignore[attr-defined]  # likewise
    delete.queryset_only = True  # type: ignore[attr-defined]  # managers do not have it

    def bulk_update(self, objs: Iterable[_Row], fields: Iterable[str], batch_size: int | None = None) -> int:
        """Write these fields of the rows as they are now, and an event for each row that this changes."""
        names = list(fields)
        columns = [self.model._meta.get_field(name) for name in names]  # noqa: SLF001  Django's public name for it
        rows = {row.pk: row for row in objs}
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):
            keys = list(rows)
            return sum(self._write_some([rows[pk] for pk in keys[start : start + BATCH]], columns) for start in range(0, len(keys), BATCH))

    bulk_update.alters_data = True  # type: ignore[attr-defined]  # Django's mark for templates

    def _write_some(self, rows: list[_Row], columns: list[Any]) -> int:
        names = [column.name for column in columns]
        stored = self.filter(pk__in=[row.pk for row in rows]).select_related(*self.model.audit_related).order_by("pk")
        before = {row.pk: row for row in stored.select_for_update(no_key=True, of=("self",))}
        events = []
        if self.model.is_audited_change(names):
            events = [_changed_event(before[row.pk], row, columns) for row in rows if row.pk in before]
        update_rows([row for row in rows if row.pk in before], columns, self.db)
        write_events(events, self.db)
        return len(before)

    def bulk_create(self, objs: Iterable[_Row], *args: Any, **kwargs: Any) -> list[_Row]:
        """Insert the rows, and write an event for each. Conflicts cannot be passed over: nobody would know what is new."""
        if kwargs.get("ignore_conflicts") or kwargs.get("update_conflicts"):
            raise TypeError(f"{self.model.__name__} is audited: which of the rows are new must be known.")
        self._for_write = True
        with transaction.atomic(using=self.db, savepoint=False):
            created = super().bulk_create(objs, *args, **kwargs)
            told = [row for row in created if not row.audit_is_implied(CREATED)]
            write_events([row.event(CREATED, _new(row.audit_values())) for row in told], self.db)
        return created


class AuditedManager(models.Manager[_Row]):
    """The manager of every audited model."""

    def get_queryset(self) -> AuditedQuerySet[_Row]:
        return AuditedQuerySet(self.model, using=self._db)


class Audited(models.Model):
    """A model each change of which is an audit event."""

    audit_ignored: ClassVar[frozenset[str]] = frozenset()
    """Fields that are bookkeeping, or follow from others: no change of theirs is an event."""
    audit_state: ClassVar[frozenset[str]] = frozenset()
    """Fields that tell of a repository: their change is an event when an operator makes it, not when a push does."""
    audit_accompanying: ClassVar[frozenset[str]] = frozenset()
    """Fields that are told along with others, and whose change alone is no event."""
    audit_related: ClassVar[tuple[str, ...]] = ()
    """What `audit_name` needs, for `select_related`."""
    objects: ClassVar[AuditedManager[Self]] = AuditedManager()

    class Meta:
        abstract = True

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row, and write an event if that changed it, in one transaction."""
        names = kwargs.get("update_fields")
        if names is not None and not self.is_audited_change(names):
            super().save(*args, **kwargs)
            return
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            before = None if kwargs.get("force_insert") or self.pk is None else self._stored(using)
            super().save(*args, **kwargs)
            if before is None:
                if self.audit_is_implied(CREATED):
                    return
                write_events([self.event(CREATED, _new(self.audit_values()))], using)
            else:
                write_events([self.change_event(before.audit_values(names), names)], using)

    def _stored(self, using: str) -> Self | None:
        rows = type(self)._base_manager.using(using)  # noqa: SLF001  the manager that sees all rows
        stored: Self | None = _locked(rows.filter(pk=self.pk)).first()
        return stored

    def audit_name(self) -> str:
        """Return how people call the row, such as a full path."""
        return str(self)

    def audit_entity(self) -> tuple[str, int | None, str]:
        """Return the type, id and name of what an event is about."""
        return type(self).__name__, self.pk, self.audit_name()

    def audit_action(self, verb: str, changes: Values) -> str:
        """Return what an event is called; models with words of their own override it."""
        return f"{re.sub(r'[^a-z0-9]+', '_', str(self._meta.verbose_name).lower())}_{verb}"

    def audit_is_implied(self, verb: str) -> bool:
        """Whether another row's event tells this one's."""
        return False

    def audit_details(self) -> Values:
        """Return what else an event should say."""
        return {}

    @classmethod
    def audited_fields(cls, names: Collection[str] | None = None) -> list[Any]:
        """Return the fields whose change is told; with names, those of them."""
        ignored = ALWAYS_IGNORED | cls.audit_ignored
        fields = [field for field in cls._meta.concrete_fields if field.name not in ignored]
        return [field for field in fields if names is None or field.name in names or field.attname in names or "pk" in names]

    @classmethod
    def is_audited_change(cls, names: Collection[str]) -> bool:
        """Whether a change of fields of these names is an event, if their values differ."""
        fields = {field.name for field in cls.audited_fields(names)} - cls.audit_accompanying
        if not fields or not fields <= cls.audit_state:
            return bool(fields)
        return current_actor().identity.kind in OPERATORS

    def audit_values(self, names: Collection[str] | None = None) -> Values:
        """Return the values of audited fields by their names, as they can be compared and written as JSON."""
        deferred = self.get_deferred_fields()
        return {
            field.name: _plain(field, getattr(self, field.attname)) for field in self.audited_fields(names) if field.attname not in deferred
        }

    def delete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        """Delete the row, and write one event that counts what else goes with it, in one transaction."""
        using = kwargs.get("using") or router.db_for_write(type(self), instance=self)
        with transaction.atomic(using=using, savepoint=False):
            event = self.event(REMOVED, _absent(self.audit_values()))
            result = super().delete(*args, **kwargs)
            if result[1].get(self._meta.label):  # else somebody else has just deleted it
                event.details |= _taken_along(self, result[1])
                write_events([event], using)
        return result

    def change_event(self, before: Values, names: Collection[str] | None = None) -> AuditEvent | None:
        """Return the event of a change from these values to the row's present ones; None where none of them tells anything."""
        after = self.audit_values(names)
        changed = {name: (value, after[name]) for name, value in before.items() if name in after and value != after[name]}
        return self.event(CHANGED, changed) if changed and self.is_audited_change(changed) else None

    def event(self, verb: str, changed: Values) -> AuditEvent:
        """Return an event about this row, not saved yet; `changed` has pairs of values, before and after."""
        entity_type, entity_id, entity_path = self.audit_entity()
        action = self.audit_action(verb, changed)
        action, details = _names.get().get(action, (action, {}))
        fields = {field.name: field for field in self._meta.concrete_fields}
        return AuditEvent.by_current_actor(
            action,
            entity_type=entity_type,
            entity_id=entity_id,
            entity_path=entity_path,
            changes={
                name: {"before": self._shown(fields[name], before), "after": self._shown(fields[name], after)}
                for name, (before, after) in changed.items()
            },
            details={**self.audit_details(), **details},
        )

    def _shown(self, field: Any, value: Any) -> Any:
        """A value as the log shows it: no secret, and a reference with the name of what it refers to."""
        if value in (None, ""):
            return value
        if _is_secret(field):
            return MASK
        if field.is_relation:
            return {"id": value, "name": self._name_of(field, value)}
        if isinstance(value, UnreadableJSON):
            return repr(value)
        return masked(value)

    def _name_of(self, field: Any, value: Any) -> str | None:
        cached = field.get_cached_value(self, default=None)
        if cached is None or cached.pk != value:
            cached = field.related_model._base_manager.filter(pk=value).first()  # noqa: SLF001  the manager that sees all rows
        if cached is None:
            return None
        return cached.audit_name() if isinstance(cached, Audited) else str(cached)


def _changed_event(before: "Audited", after: models.Model, columns: list[Any]) -> AuditEvent | None:
    """Return the event of giving a stored row the values of another object of the same row."""
    names = [column.name for column in columns]
    values = before.audit_values(names)
    for column in columns:
        setattr(before, column.attname, getattr(after, column.attname))
        if column.is_relation and column.is_cached(after):
            setattr(before, column.name, column.get_cached_value(after))
    return before.change_event(values, names)


def write_events(events: Iterable[AuditEvent | None], using: str) -> None:
    """Write events, in as few statements as can be."""
    written = [event for event in events if event is not None]
    if len(written) == 1:
        written[0].save(using=using)
    elif len(written) >= COPIED and connections[using].vendor == "postgresql":
        copy_rows(written, using)
    elif written:
        AuditEvent.objects.using(using).bulk_create(written, batch_size=BATCH)


def _locked(rows: Any) -> Any:
    """The rows, locked as an UPDATE would lock them, so that what was before is known exactly."""
    return rows.select_for_update(no_key=True)


def _is_secret(field: Any) -> bool:
    if isinstance(field, EncryptedTextField):
        return True
    return isinstance(field, models.CharField | models.TextField) and is_secret_name(field.name)


def _plain(field: Any, value: Any) -> Any:
    if value is None:
        return None
    if field.is_relation:
        return field.target_field.to_python(value)
    value = field.to_python(value)
    if isinstance(value, str):
        return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _new(values: Values) -> Values:
    return {name: (None, value) for name, value in values.items() if value not in (None, "", [], {})}


def _absent(values: Values) -> Values:
    return {name: (value, None) for name, value in values.items() if value not in (None, "", [], {})}


def _taken_along(row: models.Model, counts: dict[str, int]) -> Values:
    """How many rows of which kinds went with this one."""
    own = row._meta.label  # noqa: SLF001  Django's public name for it
    others = {label: number - (label == own) for label, number in counts.items()}
    others = {label.rpartition(".")[2]: number for label, number in others.items() if number}
    return {"also_removed": others} if others else {}
