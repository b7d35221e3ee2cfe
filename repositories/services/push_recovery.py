"""Finding out what became of pushes that were allowed and never reported (contract: decisions 16b).

Gitaly reports a push once, and never again when the report is lost. A worker asks it where the refs of such a push stand: what
has moved gets its event, with all that follows a push; what has not is asked about again, since hooks may take long, and
forgotten in the end. A push whose refs move over a long time may get several events, each of some of its refs.

Import it where it is used: it loads gRPC.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, InterfaceError, transaction
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import User
from repositories.gitaly.errors import GitalyError
from repositories.models import PendingPush, Project, PushEvent
from repositories.policy import Change
from repositories.policy.repository_path import parse_gl_repository
from repositories.ref_moves import MISSING, Move, moved
from repositories.services.after_push import follow_push
from repositories.services.pending_pushes import PATIENCE
from repositories.services.reference_counters import limit_counter
from repositories.services.repositories_at_gitaly import client_of, repository_of

logger = logging.getLogger(__name__)
SECONDS = 10.0
"""How long Gitaly is waited for."""
SWEEP_SECONDS = 15.0
"""After which the rest of the repositories waits for the next sweep, so that the worker can say that it is alive."""
LEASE = timedelta(seconds=60)
"""For how long nobody else looks at the same pushes."""
PAUSE = timedelta(seconds=30)
"""Before Gitaly is asked again after it did not answer."""
_REPOSITORIES = 20
_EARLIER_EVENTS = 500
"""How many events from before the oldest note are looked through for where a ref stood."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """A repository with pushes that are due."""

    project_id: int
    gl_repository: str
    due: frozenset[int]

    def notes(self) -> "list[PendingPush]":
        notes = PendingPush.objects.filter(project=self.project_id, gl_repository=self.gl_repository)
        return list(notes.order_by("pk"))


@dataclass(frozen=True, slots=True)
class _Known:
    """What was known before Gitaly was asked: `before` has the last earlier move of each ref."""

    notes: list[PendingPush]
    last_event: int
    before: dict[str, Move]
    moves: dict[str, list[Move]]


def recover_pushes(now: datetime) -> int:
    """Look at the pushes that are due; how many were recovered."""
    end, away, number = time.monotonic() + SWEEP_SECONDS, set[int](), 0
    for scope in _due(now):
        if time.monotonic() >= end:
            break
        project = Project.objects.select_related("storage", "route").filter(pk=scope.project_id).first()
        if project is None or project.storage_id in away or not _lease(scope, now):
            continue
        try:
            number += recover(project, scope, now)
        except GitalyError as error:
            away.add(project.storage_id)
            logger.warning("Gitaly could not be asked about pushes to %s: %s", scope.gl_repository, error)
            PendingPush.objects.filter(pk__in=scope.due).update(due_at=timezone.now() + PAUSE)
        except (DatabaseError, InterfaceError):
            raise
        except Exception:  # the worker has other sweeps to run; the lease lets this one be tried again
            logger.exception("Pushes to %s could not be recovered", scope.gl_repository)
    return number


def _due(now: datetime) -> list[_Scope]:
    """Repositories with pushes that are due, those that have waited longest first."""
    found: dict[tuple[int, str], set[int]] = defaultdict(set)
    due = PendingPush.objects.filter(due_at__lte=now).order_by("due_at")
    for pk, project_id, repository in due.values_list("pk", "project_id", "gl_repository")[:1000]:
        if (project_id, repository) in found or len(found) < _REPOSITORIES:
            found[project_id, repository].add(pk)
    return [_Scope(project_id, repository, frozenset(pks)) for (project_id, repository), pks in found.items()]


def _lease(scope: _Scope, now: datetime) -> bool:
    """Whether the pushes are ours for a while; of several workers one gets them."""
    return bool(PendingPush.objects.filter(pk__in=scope.due, due_at__lte=now).update(due_at=timezone.now() + LEASE))


def recover(project: Project, scope: _Scope, now: datetime) -> int:
    """Ask where the refs of the pushes stand, and write down what that says of each; how many were recovered. Raises GitalyError."""
    known = _known(scope)
    refs = _refs_of(note for note in known.notes if note.pk in scope.due)
    parsed = parse_gl_repository(scope.gl_repository)
    if parsed is None:
        raise LookupError(f"{scope.gl_repository!r} was noted and names no repository.")
    targets = client_of(project).ref_targets(repository_of(project, parsed.repository_type), refs, seconds=SECONDS)
    found: dict[int, list[Change]] = defaultdict(list)
    for ref in refs:
        moves = known.moves[ref]
        of_this_ref = moved(targets.get(ref, MISSING), known.before.get(ref), moves) & scope.due
        for move in moves:
            if move.number in of_this_ref:
                found[move.number].append(Change(move.oldrev, move.newrev, ref))
    number = _write(scope, known, refs, found, now)
    limit_counter(scope.gl_repository, sum(note.asked_at is None for note in scope.notes()))
    return number


def _refs_of(notes: Iterable[PendingPush]) -> dict[str, None]:
    """The refs of some pushes, in their order. Names that are not Git's, or not valid UTF-8 on the way here, cannot be asked about."""
    return {change.ref: None for note in notes for change in note.changes if change.ref.startswith("refs/") and "\ufffd" not in change.ref}


def _known(scope: _Scope) -> _Known:
    """What is known of the refs in question.

    Notes are read before events, since a report turns one into the other. What is known is ordered by
    when pushes were allowed: an event that was recovered is written long after its refs have moved.
    """
    notes = scope.notes()
    refs = _refs_of(note for note in notes if note.pk in scope.due)
    moves: dict[str, list[Move]] = {ref: [] for ref in refs}
    since = timezone.now()
    for note in notes:
        for change in note.changes:
            if change.ref in moves:
                since = min(since, note.created_at)
                move = Move(change.oldrev, change.newrev, note.created_at, note.pk)
                moves[change.ref].append(move)
    of_project = PushEvent.objects.filter(project=scope.project_id)
    last_event = of_project.order_by("-pk").values_list("pk", flat=True).first() or 0
    events = of_project.filter(gl_repository=scope.gl_repository)
    before = _last_moves(refs, events.filter(created_at__lt=since))
    for ref, move, _ in _reported(events.filter(created_at__gte=since)):
        if ref in moves and move.allowed_at >= since:
            moves[ref].append(move)
        elif ref in moves:
            _keep_later(before, ref, move)
    return _Known(notes, last_event, before, moves)


def _reported(events: QuerySet[PushEvent]) -> Iterator[tuple[str, Move, datetime]]:
    """Yield the moves of events, each with its ref and with when its event was written."""
    rows = events.values_list("changes", "allowed_at", "created_at")
    for changes, allowed_at, created_at in rows.iterator():
        for oldrev, newrev, ref in changes:
            yield ref, Move(oldrev, newrev, allowed_at or created_at), created_at


def _last_moves(refs: Collection[str], events: QuerySet[PushEvent]) -> dict[str, Move]:
    """The last reported move of each ref, as far as that is found among the latest events."""
    found: dict[str, Move] = {}
    for ref, move, written_at in _reported(events.order_by("-pk")[:_EARLIER_EVENTS]):
        if len(found) == len(refs) and all(written_at < each.allowed_at for each in found.values()):
            break
        if ref in refs:
            _keep_later(found, ref, move)
    return found


def _keep_later(last: dict[str, Move], ref: str, move: Move) -> None:
    if ref not in last or move.allowed_at > last[ref].allowed_at:
        last[ref] = move


@transaction.atomic
def _write(scope: _Scope, known: _Known, refs: Iterable[str], found: dict[int, list[Change]], now: datetime) -> int:
    """Make up for what has moved and put off or forget the rest; how many events that made.

    The refs of a push that have not moved are asked about again as those of a push that has moved none: hooks run before each.
    Nothing is concluded while another push of these refs has begun since what is known was read.
    """
    notes = PendingPush.objects.select_for_update().filter(pk__in=scope.due).order_by("pk")
    if _has_news(scope, known, set(refs)):
        notes.update(due_at=now)
        return 0
    number = 0
    for note in notes:
        moved_now, changes = set(found.get(note.pk, ())), note.changes
        part = [change for change in changes if change in moved_now]
        if part:
            _make_event(note, part)
            number += 1
            note.digest = ""  # the report of the whole push is about the event, too
            note.packed_changes = PendingPush.pack(change for change in changes if change not in moved_now)
        if len(part) < len(changes):
            _put_off(note, now)
        else:
            note.delete()
    return number


def _has_news(scope: _Scope, known: _Known, refs: set[str]) -> bool:
    """Whether a note or an event of one of the refs is there that was not."""
    read = {note.pk for note in known.notes}
    if any(change.ref in refs for note in scope.notes() if note.pk not in read for change in note.changes):
        return True
    events = PushEvent.objects.filter(project=scope.project_id, gl_repository=scope.gl_repository, pk__gt=known.last_event)
    return any(ref in refs for changes in events.values_list("changes", flat=True) for _, _, ref in changes)


def _make_event(note: PendingPush, changes: list[Change]) -> None:
    """The event of a push that was not reported, and what follows it."""
    is_known = note.user_id is not None and User.objects.filter(pk=note.user_id).exists()
    event = PushEvent.objects.create(
        project_id=note.project_id,
        gl_repository=note.gl_repository,
        user_id=note.user_id if is_known else None,
        key_id=note.key_id,
        identifier=f"key-{note.key_id}" if note.key_id is not None else f"user-{note.user_id}",
        changes=[[change.oldrev, change.newrev, change.ref] for change in changes],
        correlation_id=note.request_id,
        allowed_at=note.created_at,
        recovered=True,
    )
    follow_push.enqueue(event.pk, request_id=note.request_id)
    fields = {"gl_repository": note.gl_repository, "push_request_id": note.request_id, "refs": len(changes), "push_event": event.pk}
    logger.warning("A push that Gitaly did not report was recovered", extra={"fields": fields})


def _put_off(note: PendingPush, now: datetime) -> None:
    """Ask again when the push is twice as old, and no more when it can no longer be under way."""
    age = now - note.created_at
    if age >= PATIENCE * timedelta(seconds=settings.PUSH_RECOVERY_AFTER):
        note.delete()
        return
    note.asked_at, note.due_at = now, now + age
    note.save(update_fields=["asked_at", "due_at", "digest", "packed_changes"])
