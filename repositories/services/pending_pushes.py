"""Pushes between their permission and their report: noted by /allowed, settled by /post_receive (contract: decisions 16b)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection
from django.utils import timezone

from internal_api.errors import NotFoundError
from internal_api.statements import moment
from repositories.models import PendingPush, PushEvent
from repositories.policy import Change, KeyKind
from repositories.policy.reasons import Reason
from repositories.policy.repository_path import gl_repository
from repositories.selectors.facts import Facts

PATIENCE = 16
"""How many times PUSH_RECOVERY_AFTER a push may be under way."""
# Written out, since every push runs them: each is one statement.
_NOTE = """
INSERT INTO repositories_pendingpush
  (project_id, gl_repository, user_id, key_id, request_id, digest, packed_changes, created_at, due_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
_SETTLE = """
DELETE FROM repositories_pendingpush
WHERE digest = %s AND id = (SELECT max(id) FROM repositories_pendingpush WHERE digest = %s)
  AND NOT EXISTS (
    SELECT 1 FROM repositories_pushevent e
    WHERE e.project_id = repositories_pendingpush.project_id AND e.recovered AND e.reported_late_at IS NULL
      AND e.correlation_id = %s AND e.allowed_at > repositories_pendingpush.created_at)
RETURNING created_at
"""


@dataclass(frozen=True, slots=True)
class Reported:
    """What tells which push a report is about. `request_id` is empty where the caller sent none.

    `deploy_key_id` is part of who pushes; a user's key is not, since `key-N` in a report names its owner (contract: allowed 2.2).
    """

    project_id: int
    repository: str
    user_id: int | None
    deploy_key_id: int | None
    request_id: str
    changes: Sequence[Change]

    @classmethod
    def of(cls, facts: Facts, request_id: str | None, changes: Sequence[Change]) -> "Reported":
        """From the facts of a call about a project. Raises LookupError without one."""
        project, actor = facts.project, facts.actor
        if project is None:
            raise LookupError("A push without a project is neither noted nor reported.")
        return cls(
            project.id,
            gl_repository(facts.repository_type, project.id),
            actor.user.id if actor.user else None,
            actor.key.id if actor.key and actor.key.kind == KeyKind.DEPLOY else None,
            (request_id or "")[:255],
            changes,
        )

    @property
    def digest(self) -> str:
        """The same for the permission and the full report of one push; for pushes of one connection it may repeat."""
        lines = "\n".join(f"{change.oldrev} {change.newrev} {change.ref}" for change in self.changes)
        text = f"{self.request_id}\0{self.user_id}\0{self.deploy_key_id}\0{self.repository}\0{lines}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


@dataclass(frozen=True, slots=True)
class Settled:
    """What was known of a push that is reported.

    `events` are those that were recovered before its report came, in their order: a push that moved
    its refs over a long time has several, each of some of its refs.
    """

    allowed_at: datetime | None = None
    events: Sequence[PushEvent] = ()


@dataclass(slots=True)
class _Unreported:
    """A push that a report may be about. Its events and its note share the time of its permission."""

    allowed_at: datetime
    note: PendingPush | None = None
    events: list[PushEvent] = field(default_factory=list)

    @property
    def changes(self) -> set[Change]:
        noted = self.note.changes if self.note else []
        return {*noted, *(Change(*line) for event in self.events for line in event.changes)}


def note_push(facts: Facts, request_id: str | None, changes: Sequence[Change]) -> None:
    """Note that a push was allowed. Raises DatabaseError, and then the push must not go on.

    Raises NotFoundError when the project has just been deleted.
    """
    push, now = Reported.of(facts, request_id, changes), timezone.now()
    key_id = facts.actor.key.id if facts.actor.key else None
    due = now + timedelta(seconds=settings.PUSH_RECOVERY_AFTER)
    owner = (push.project_id, push.repository, push.user_id, key_id, push.request_id, push.digest)
    try:
        with connection.cursor() as cursor:
            cursor.execute(_NOTE, [*owner, PendingPush.pack(changes), moment(now), moment(due)])
    except IntegrityError as error:
        raise NotFoundError(Reason.PROJECT_NOT_FOUND.message) from error


def settle(push: Reported) -> Settled:
    """Remove the note of a push that is reported; what was known of it. Call this in the report's transaction.

    Of pushes that look the same the last one is settled: an earlier one whose report was lost is found by where the refs went.
    A report may leave out refs that Git refused, and may come after the push was recovered.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, [push.digest, push.digest, push.request_id])
        row: tuple[Any, ...] | None = cursor.fetchone()
    return Settled(_aware(row[0])) if row is not None else _settle_late(push)


def _settle_late(push: Reported) -> Settled:
    """What a report is most likely about: a push of just these changes, and of those the last.

    An earlier push of the same changes may be noted still because Git refused it, and the one that is reported now be
    recovered already, as a whole or in part.
    """
    lines = set(push.changes)
    found: list[tuple[bool, datetime, _Unreported]] = []
    for one in _unreported(push):
        changes = one.changes
        if not lines.isdisjoint(changes) if one.events else lines and lines <= changes:
            found.append((lines == changes, one.allowed_at, one))
    if not found:
        return Settled()
    _, allowed_at, best = max(found, key=lambda each: each[:2])
    if best.note is not None:
        best.note.delete()
    return Settled(allowed_at, best.events)


def _unreported(push: Reported) -> list[_Unreported]:
    """The pushes of the same connection that are noted or recovered, locked. Notes first: a worker turns them into events."""
    of_connection = {"project": push.project_id, "gl_repository": push.repository}
    notes = PendingPush.objects.filter(**of_connection, request_id=push.request_id, user_id=push.user_id)
    events = PushEvent.objects.filter(
        **of_connection, recovered=True, reported_late_at=None, correlation_id=push.request_id, user=push.user_id
    )
    found: dict[datetime, _Unreported] = {}
    for note in notes.select_for_update().order_by("pk"):
        found[note.created_at] = _Unreported(note.created_at, note)
    for event in events.select_for_update().order_by("pk"):
        allowed_at = event.allowed_at or event.created_at
        found.setdefault(allowed_at, _Unreported(allowed_at)).events.append(event)
    return list(found.values())


def _aware(value: Any) -> datetime:
    """A time from a row of written-out SQL; SQLite keeps a text in UTC."""
    found = value if isinstance(value, datetime) else datetime.fromisoformat(value)
    return found if timezone.is_aware(found) else found.replace(tzinfo=UTC)


def not_in(events: Iterable[PushEvent], changes: Iterable[Change]) -> list[Change]:
    """The changes that no event has."""
    known = {tuple(line) for event in events for line in event.changes}
    return [change for change in changes if (change.oldrev, change.newrev, change.ref) not in known]
