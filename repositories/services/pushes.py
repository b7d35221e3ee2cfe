"""What a push leaves: one event and the repository's new state, in one transaction (contract: allowed 7, decisions 16a)."""

import hashlib
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Q
from django.utils import timezone

from internal_api import tracing
from internal_api.logs import correlation_id
from internal_api.task_context import passed_on
from repositories.models import PushEvent
from repositories.policy import Change
from repositories.policy.repository_path import gl_repository
from repositories.selectors.facts import Facts
from repositories.services.after_push import follow_push
from repositories.services.default_branch import DefaultBranch, default_branch_after, note_default_branch
from repositories.services.pending_pushes import Reported, not_in, settle

REPEATED_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Push:
    """A push that has happened. `request_id` is the caller's, None where it sent none; `call_id` is one of ours for the call."""

    facts: Facts
    identifier: str
    changes: Sequence[Change]
    push_options: dict[str, Any]
    gitaly_context: dict[str, Any]
    request_id: str | None
    call_id: str = field(default_factory=lambda: uuid.uuid4().hex)

    @property
    def repository(self) -> str:
        return gl_repository(self.facts.repository_type, self.facts.project.id) if self.facts.project else ""

    @property
    def dedup_key(self) -> str:
        """The same for a repeated call and for no other; without a request id every call is a new push."""
        user, key = self.facts.actor.user, self.facts.actor.key
        actor = f"{user.id if user else ''}\0{key.id if key else ''}\0{self.identifier}"
        lines = "\n".join(f"{change.oldrev} {change.newrev} {change.ref}" for change in self.changes)
        text = f"{self.request_id or self.call_id}\0{actor}\0{self.repository}\0{lines}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def record(push: Push, respond: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """Keep the event and the repository's new state, all or nothing, with what `respond` returns of the answer; return that.

    That is what cannot be made again. A repetition gets what the first call has left, and of two calls at once one leaves it.
    Nearly no call is a repetition, so that is found out when the database refuses the second event. Raises IntegrityError when
    the project has just been removed.
    """
    expired: int | None = None
    default_branch = default_branch_after(push.facts, push.changes)
    while True:
        try:
            return _recorded(push, respond, expired, default_branch)
        except IntegrityError:
            earlier = PushEvent.objects.filter(dedup_key=push.dedup_key).first()
            if earlier is None or earlier.pk == expired:
                raise
            if _is_repetition(earlier):
                kept: dict[str, Any] = earlier.response
                return kept
            expired = earlier.pk


def _is_repetition(earlier: PushEvent) -> bool:
    """Whether a call that is like the one behind this event repeats it, and is no push of its own (contract: decisions 16a).

    gitlab-sshd has one X-Request-Id for all pushes of a connection. A ref cannot go from one revision to another twice unless
    something has moved it back in between, so a later event of one of the refs tells the two apart. An event that was recovered
    is written after events of pushes that came after it: later is what was allowed later.
    """
    if earlier.created_at < timezone.now() - REPEATED_WITHIN:
        return False
    refs = {ref for _, _, ref in earlier.changes}
    began = earlier.allowed_at or earlier.created_at
    later = PushEvent.objects.filter(
        Q(allowed_at=None) | Q(allowed_at__gt=began),
        project__push_events=earlier,
        gl_repository=earlier.gl_repository,
        pk__gt=earlier.pk,
    )
    return not any(ref in refs for changes in later.values_list("changes", flat=True).iterator() for _, _, ref in changes)


@transaction.atomic
def _recorded(
    push: Push, respond: Callable[[], dict[str, Any]], expired: int | None, default_branch: DefaultBranch | None
) -> dict[str, Any]:
    """Keep it. An earlier call that counts no longer gives up its key in the same transaction, so that some call always holds it."""
    if push.facts.project is not None:
        _keep_from_deletion(push.facts.project.id)
    if expired is not None:
        PushEvent.objects.filter(pk=expired).update(dedup_key=None)
    event = _event(push)
    if push.facts.project is not None:
        note_default_branch(push.facts.project.id, default_branch, push.facts.settings)
    kept = respond()
    if kept:
        PushEvent.objects.filter(pk=event.pk).update(response=kept)
    follow_push.enqueue(event.pk, **passed_on())
    return kept


def _keep_from_deletion(project_id: int) -> None:
    """Let a deletion of the project wait for this transaction, before any other row is locked, as the deletion itself does it.

    The foreign keys would ask for the same lock at the commit, and two that lock in another order wait for each other. SQLite
    has one writer at a time. Raises IntegrityError when the project is deleted.
    """
    if connection.vendor != "postgresql":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM repositories_project WHERE id = %s FOR KEY SHARE", [project_id])
        if cursor.fetchone() is None:
            raise IntegrityError(f"Project {project_id} is deleted.")


def _event(push: Push) -> PushEvent:
    """The push's event. One that was recovered before its report came has events already, perhaps of some of its refs."""
    settled = settle(Reported.of(push.facts, push.request_id, push.changes))
    if not settled.events:
        return _insert(push, push.changes, settled.allowed_at)
    others, last = not_in(settled.events, push.changes), settled.events[-1]
    for event in settled.events:
        event.reported_late_at = timezone.now()
        event.identifier, event.push_options, event.gitaly_context = push.identifier[:255], push.push_options, push.gitaly_context
        event.dedup_key = push.dedup_key if event is last and not others else None
        event.save(update_fields=["reported_late_at", "identifier", "push_options", "gitaly_context", "dedup_key"])
    return _insert(push, others, settled.allowed_at) if others else last


def _insert(push: Push, changes: Sequence[Change], allowed_at: datetime | None) -> PushEvent:
    project, actor = push.facts.project, push.facts.actor
    return PushEvent.objects.create(
        project_id=project.id if project else None,
        gl_repository=push.repository,
        user_id=actor.user.id if actor.user else None,
        key_id=actor.key.id if actor.key else None,
        identifier=push.identifier[:255],
        changes=[[change.oldrev, change.newrev, change.ref] for change in changes],
        push_options=push.push_options,
        gitaly_context=push.gitaly_context,
        correlation_id=correlation_id.get(),
        traceparent=tracing.traceparent(),
        dedup_key=push.dedup_key,
        allowed_at=allowed_at,
    )
