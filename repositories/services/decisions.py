"""Deciding with Git's help, and what a decision leaves behind (contract: decisions 23 to 25)."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from django.utils import timezone

from accounts.models import SSHKey, User
from internal_api.logs import correlation_id
from internal_api.metrics import decisions
from repositories import policy
from repositories.models import Refusal
from repositories.policy import Action, Denied, NeedsGit, Question, Request, Verdict
from repositories.selectors.facts import Facts


def decide(question: Request, ask: Callable[[Iterable[Question]], Mapping[Question, bool]]) -> tuple[Request, Verdict]:
    """The verdict, with Git asked as often as the policy needs it: hardly ever, and hardly ever twice."""
    verdict = policy.decide(question)
    while isinstance(verdict, NeedsGit):
        question = replace(question, answers={**question.answers, **ask(verdict.questions)})
        verdict = policy.decide(question)
    return question, verdict


def count_decision(request: Request, verdict: Verdict) -> None:
    """For the metrics; whatever text a caller sends as action is told as `other`."""
    action = request.action if request.action in set(Action) else "other"
    reason = verdict.reason.value if isinstance(verdict, Denied) else ""
    decisions.labels(action, type(verdict).__name__.lower(), reason).inc()


def record_key_use(facts: Facts) -> None:
    """A key was used, whatever comes of it; written at most once a day."""
    key = facts.actor.key
    if key is not None and facts.key_use_is_old:
        SSHKey.objects.filter(pk=key.id).update(last_used_at=timezone.now())


def record_pull(facts: Facts) -> None:
    """A user has pulled; written at most once a day."""
    user = facts.actor.user
    if user is not None and facts.activity_is_old:
        User.objects.filter(pk=user.id).update(last_activity_on=timezone.now().date())


def record_refusal(facts: Facts, request: Request, denied: Denied) -> None:
    """A known actor was refused. Strangers leave no row, or anybody could fill the table."""
    actor = request.actor
    if actor.user is None and actor.key is None:
        return
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
