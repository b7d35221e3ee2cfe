"""Telling kas of pushes, so that agents need not wait until they ask again (contract: kubernetes-agent, "What the server tells kas").

After what follows a push was done, a task of its own tells kas; while one waits for a project, its further
pushes make no other. Kas away never delays or fails anything: the task is tried again a few times, and
then given up, since agents ask by themselves.
"""

import logging
from datetime import timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.dispatch import receiver
from django.utils import timezone
from django_tasks import task

from internal_api.backoff import backoff
from internal_api.shared_store import SharedStoreError, shared_store
from internal_api.task_context import of_request, passed_on
from kubernetes_agent.models import Agent
from kubernetes_agent.services.metrics import increase_counters
from repositories.models import Project
from repositories.signals import pushes_followed

logger = logging.getLogger(__name__)
ATTEMPTS = 4
"""Attempts at one message, over about a minute."""
WAITING = 120
"""Seconds for which a waiting task keeps others of its project away, should it never run."""
SENT, FAILED = "push_notifications_sent", "push_notifications_failed"
"""Counters of UsageCounter."""


@receiver(pushes_followed, dispatch_uid="kubernetes_agent.push_notifications")
def notify_after_push(*, project_id: int, **_: object) -> None:
    """Let kas be told once the transaction has committed; nothing without its address or without an agent."""
    if settings.KAS_ADDRESS and Agent.objects.exists():
        transaction.on_commit(partial(_enqueue, project_id))


def _enqueue(project_id: int) -> None:
    try:
        is_first = shared_store().put_once(_key(project_id), "waiting", WAITING)
    except SharedStoreError:
        is_first = True  # kas hears of it twice at most
    if is_first:
        tell_kas.enqueue(project_id, 1, **passed_on())


def _key(project_id: int) -> str:
    return f"kas-push-notification:{project_id}"


@task()
def tell_kas(project_id: int, attempt: int, request_id: str = "", traceparent: str = "") -> None:
    """Send kas a `GitPushEvent` of a project. A failure is logged, counted and tried again a few times."""
    from kubernetes_agent.kas.client import KasError, send_git_push_event  # noqa: PLC0415  a server only enqueues

    with of_request(request_id):
        try:
            shared_store().forget(_key(project_id))  # before it is sent: a push that comes now is told by another task
        except SharedStoreError:
            logger.info("The store is away: the next push of project %s may not be told to kas at once.", project_id)
        project = Project.objects.select_related("route").filter(pk=project_id).first()
        if project is None or not settings.KAS_ADDRESS:
            return
        try:
            send_git_push_event(project.pk, project.route.path)
        except KasError as error:
            increase_counters({FAILED: 1})
            is_last = attempt >= ATTEMPTS
            logger.warning("Kas was not told of a push to project %s, attempt %s of %s: %s", project_id, attempt, ATTEMPTS, error)
            if not is_last:
                later = timezone.now() + timedelta(seconds=backoff(attempt, base=5.0, longest=30.0))
                tell_kas.using(run_after=later).enqueue(project_id, attempt + 1, **passed_on())
            return
        increase_counters({SENT: 1})
        logger.info("Kas was told of a push", extra={"fields": {"project": project_id, "attempt": attempt}})
