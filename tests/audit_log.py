"""An independent look at what changed, to hold the audit log against: all audited rows before and after, compared column by column."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.apps import apps
from django.db import models

from internal_api.encryption import EncryptedTextField
from internal_api.models import Audited, AuditEvent
from repositories.models import Namespace
from scim.models import Identity

AUDITED = [model for model in apps.get_models() if issubclass(model, Audited)]
NOT_COMPARED = {"id", "created_at", "updated_at", "last_used_at"}
Key = tuple[str, Any]
Row = dict[str, Any]
SECRETS = (
    "the gitaly token", "the otp secret", "the webhook token", "the client key", "correct horse battery", "the later password",
    "the error tracking token", "the new gitaly token", "the new webhook token", "hunter2", "the scim token", "the agent token", "JBSWY3", "a2V5",
)  # fmt: skip
LOOKS_SECRET = re.compile(r"glpat-|glagent-|glsoat-|pbkdf2|md5\$|eyJ[\w-]{10,}\.|PRIVATE KEY|[0-9a-f]{64}|otpauth:")


def _columns(model: Any, *, by_operator: bool = True) -> list[Any]:
    ignored = NOT_COMPARED | model.audit_ignored | model.audit_accompanying | (frozenset() if by_operator else model.audit_state)
    return [column for column in model._meta.concrete_fields if column.name not in ignored]  # noqa: SLF001  Django's public name for it


def _key(model: type[models.Model], row: models.Model) -> Key:
    """Events about identities are about their scope, and name the user."""
    return ("Identity", (row.scope.group_id, row.user_id)) if isinstance(row, Identity) else (model.__name__, row.pk)


def photograph(*, by_operator: bool = True) -> dict[Key, tuple[Any, Row]]:
    """Every audited row as it is now."""
    found: dict[Key, tuple[Any, Row]] = {}
    for model in AUDITED:
        for row in model._base_manager.all():  # noqa: SLF001  the manager that sees all rows
            found[_key(model, row)] = (
                model,
                {column.name: getattr(row, column.attname) for column in _columns(model, by_operator=by_operator)},
            )
    return found


@dataclass
class Told:
    """The events of a block, once it is over."""

    events: list[AuditEvent] = field(default_factory=list)

    @property
    def actions(self) -> list[str]:
        return [event.action for event in self.events]


@contextmanager
def held_against_the_rows(*, besides: tuple[str, ...] = (), in_steps: bool = False, by_operator: bool = True) -> Iterator[Told]:
    """Fail unless each row that the block changes has one event, with its values before and after; and each event such a row.

    `besides` are actions of events that are about no row. With `in_steps` a row may have several, each going on from the
    one before: a seed file makes a group first, and then what other apps know of it.
    The state of repositories is told of operators only.
    """
    told = Told()
    last = AuditEvent.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    before = photograph(by_operator=by_operator)
    yield told
    after = photograph(by_operator=by_operator)
    told.events = list(AuditEvent.objects.filter(pk__gt=last).order_by("pk"))
    no_secret_is_in(told.events)
    assert {event.action for event in told.events} >= set(besides), told.actions
    _compare(before, after, [event for event in told.events if event.action not in besides], in_steps=in_steps)


def _compare(before: Any, after: Any, events: list[AuditEvent], *, in_steps: bool) -> None:
    by_key: dict[Key, list[AuditEvent]] = {}
    for event in events:
        by_key.setdefault(_key_of(event), []).append(event)
    taken_along: Counter[str] = Counter()
    for event in events:
        taken_along.update(event.details.get("also_removed", {}))
    for key in {*before, *after}:
        _, was = before.get(key, (None, None))
        model, now = after.get(key, (before.get(key, (None,))[0], None))
        found = by_key.pop(key, [])
        if was == now:
            assert not found or _cancel_out(found), f"{key} has not changed, and has {found}"
        elif now is None and not found:
            assert taken_along[key[0]] > 0, f"{key} was removed without an event"
            taken_along[key[0]] -= 1
        elif was is None and model is Namespace and now["kind"] == "user":
            assert not found or in_steps  # told by the event of the user
        else:
            assert found, f"{key} has changed without an event: {was} {now}"
            assert len(found) == 1 or in_steps, f"{key} has {len(found)} events: {found}"
            _values_are_right(model, was, now, _folded(found))
    assert not by_key, f"events about nothing that changed: {by_key}"


def _key_of(event: AuditEvent) -> Key:
    return ("Identity", (event.entity_id, event.details["user_id"])) if "user_id" in event.details else (event.entity_type, event.entity_id)


def _folded(events: list[AuditEvent]) -> AuditEvent:
    """The first event, with what the later ones made of its values."""
    first, *later = events
    for event in later:
        for name, values in event.changes.items():
            known = first.changes.setdefault(name, {"before": values["before"], "after": values["before"]})
            assert known["after"] in (values["before"], None if values["before"] in (0, False, "") else values["before"]), (event, name)
            known["after"] = values["after"]
    return first


def _cancel_out(events: list[AuditEvent]) -> bool:
    """Such as a token that is made and removed."""
    return len(events) > 1


def _values_are_right(model: Any, was: Row | None, now: Row | None, event: AuditEvent) -> None:
    for column in _columns(model):
        if column.name not in (was or now or {}):
            continue
        old, new = ((row or {}).get(column.name) for row in (was, now))
        told = event.changes.get(column.name)
        if old == new or (old in (None, "", [], {}) and new in (None, "", [], {})):
            assert told is None, (event, column.name)
            continue
        assert told is not None, f"{event} does not tell of {column.name}: {old!r} -> {new!r}"
        assert _same(column, old, told["before"]), (event, column.name, old, told)
        assert _same(column, new, told["after"]), (event, column.name, new, told)


def _same(column: Any, value: Any, told: Any) -> bool:
    if value in (None, ""):
        return told in (None, "")
    if isinstance(column, EncryptedTextField):
        return bool(told == "[masked]")
    if column.is_relation:
        return bool(told["id"] == value and told["name"])
    if isinstance(value, str) and "[masked]" in str(told):
        return True
    return bool(told == (value.isoformat() if hasattr(value, "isoformat") else value))


def no_secret_is_in(events: list[AuditEvent]) -> None:
    """No event tells a secret that the tests know, or anything that looks like one."""
    for event in events:
        text = json.dumps([event.action, event.entity_path, event.operation, event.credential, event.changes, event.details])
        assert not [secret for secret in SECRETS if secret in text], text
        assert LOOKS_SECRET.search(text) is None, text
