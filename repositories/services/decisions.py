"""What a decision leaves behind (contract: decisions 25)."""

from django.utils import timezone

from accounts.models import SSHKey, User
from internal_api.bookkeeping import best_effort
from internal_api.logs import correlation_id
from internal_api.metrics import decisions
from repositories.access_check import AccessCheck
from repositories.models import Refusal
from repositories.policy import AccessRequest, Action, Allowed, Denied, Verdict
from repositories.selectors.facts import Facts
from repositories.services.authorization import Decision
from repositories.services.one_shot_messages import remember_moved
from repositories.services.pending_pushes import note_push


def record_decision(check: AccessCheck, decision: Decision, *, request_id: str | None = None) -> None:
    """Count a decision; note a push that may go on, a user's pull, a former path that was named, or the refusal of a known actor.

    `request_id` is the caller's. Raises DatabaseError when a push cannot be noted.
    """
    count_decision(decision.request, decision.verdict)
    match decision.verdict:
        case Denied() as denied:
            record_refusal(decision.request, denied)
        case Allowed():
            if check.pushed:
                note_push(decision.facts, request_id, check.pushed)
            if not decision.request.is_push:
                record_pull(decision.facts)
            remember_moved(decision.facts, check.protocol)


def log_fields(decision: Decision) -> dict[str, object]:
    """What the request's log line tells of a decision."""
    request, verdict = decision.request, decision.verdict
    user, key, project = request.actor.user, request.actor.key, request.project
    return {
        "actor": f"user-{user.id}" if user else None,
        "key_id": key.id if key else None,
        "project": project.full_path if project else None,
        "action": request.action,
        "verdict": type(verdict).__name__.lower(),
        "reason": verdict.reason.value if isinstance(verdict, Denied) else None,
    }


def count_decision(request: AccessRequest, verdict: Verdict) -> None:
    """For the metrics; whatever text a caller sends as action is told as `other`."""
    action = request.action if request.action in set(Action) else "other"
    reason = verdict.reason.value if isinstance(verdict, Denied) else ""
    decisions.labels(action, type(verdict).__name__.lower(), reason).inc()


def record_key_use(facts: Facts) -> None:
    """A key was used, whatever comes of it; written at most once a day."""
    key = facts.actor.key
    if key is not None and facts.key_use_is_old:
        with best_effort("The use of a key"):
            SSHKey.objects.filter(pk=key.id).update(last_used_at=timezone.now())


def record_pull(facts: Facts) -> None:
    """A user has pulled; written at most once a day."""
    user = facts.actor.user
    if user is not None and facts.activity_is_old:
        with best_effort("A user's activity"):
            User.objects.filter(pk=user.id).update(last_activity_on=timezone.now().date())


def record_refusal(request: AccessRequest, denied: Denied) -> None:
    """A known actor was refused. Strangers leave no row, or anybody could fill the table."""
    actor = request.actor
    if actor.user is None and actor.key is None:
        return
    with best_effort("A refusal"):
        Refusal.objects.create(
            user_id=actor.user.id if actor.user else None,
            username=actor.user.username if actor.user else "",
            key_id=actor.key.id if actor.key else None,
            project_id=request.project.id if request.project else None,
            project_path=request.project.full_path if request.project else "",
            action=request.action[:32],
            protocol=request.protocol[:16],
            reason=denied.reason,
            correlation_id=correlation_id.get(),
        )
