"""What follows a push, in the worker: activity of the project and the user, and the deliveries that webhooks are owed."""

from collections.abc import Iterable

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from accounts.models import User
from repositories.models import DeliveryLane, Project, ProtectedTag, PushEvent, Webhook, WebhookDelivery
from repositories.policy import Change, RepositoryType
from repositories.policy.repository_path import gl_repository
from repositories.selectors.protection import protected_branch_names
from repositories.selectors.webhooks import webhooks_of
from repositories.services.webhook_deliveries import deliver
from repositories.webhook_payloads import Message, Place, Pushed, Pusher, messages


@transaction.atomic
def follow_project(project_id: int) -> None:
    """Follow all pushes of the project that are still to be followed, in their order; each once, however often this runs."""
    waiting = PushEvent.objects.filter(project_id=project_id, followed_at__isnull=True)
    events = list(waiting.select_for_update(no_key=True).order_by("pk"))
    if not events:
        return
    _note_activity(project_id, events)
    for lane_id in _owe_deliveries(project_id, events):
        deliver.enqueue(lane_id)
    PushEvent.objects.filter(pk__in=[event.pk for event in events]).update(followed_at=timezone.now())


def _note_activity(project_id: int, events: Iterable[PushEvent]) -> None:
    latest = max(event.created_at for event in events)
    is_older = Q(last_activity_at__lt=latest) | Q(last_activity_at__isnull=True)
    Project.objects.filter(is_older, pk=project_id).update(last_activity_at=latest)
    for user_id, day in sorted({(event.user_id, event.created_at.date()) for event in events if event.user_id is not None}):
        is_earlier = Q(last_activity_on__lt=day) | Q(last_activity_on__isnull=True)
        User.objects.filter(is_earlier, pk=user_id).update(last_activity_on=day)


def _owe_deliveries(project_id: int, events: Iterable[PushEvent]) -> list[int]:
    hooks = list(webhooks_of(project_id))
    if not hooks:
        return []
    repository = gl_repository(RepositoryType.PROJECT, project_id)
    project = Project.objects.select_related("route", "namespace").get(pk=project_id)
    branches = protected_branch_names(project.pk, project.namespace.root_id or project.namespace_id)
    tags = list(ProtectedTag.objects.filter(project=project).values_list("name", flat=True))
    pushers = _pushers(events)
    owed = [
        (hook, event, position, message)
        for event in events
        if event.gl_repository == repository
        for pushed in [_pushed(event, project, pushers, branches, tags)]
        for hook in hooks
        for position, message in enumerate(_for(hook, pushed))
    ]
    return _write(project_id, owed)


def _pushers(events: Iterable[PushEvent]) -> dict[int, Pusher]:
    users = User.objects.filter(pk__in={event.user_id for event in events if event.user_id is not None})
    return {user.pk: Pusher(user.pk, user.name, user.username) for user in users}


def _pushed(event: PushEvent, project: Project, pushers: dict[int, Pusher], branches: list[str], tags: list[str]) -> Pushed:
    place = Place(
        project.pk,
        project.name,
        project.description,
        project.namespace.name,
        project.route.path,
        project.visibility,
        project.default_branch,
        settings.EXTERNAL_URL,
        settings.SSH_URL,
    )
    changes = [Change(*change) for change in event.changes]
    return Pushed(place, pushers.get(event.user_id or 0, Pusher()), changes, event.push_options, branches, tags)


def _for(hook: Webhook, pushed: Pushed) -> list[Message]:
    limit = settings.WEBHOOK_DELIVERIES_PER_PUSH
    return messages(pushed, branches=hook.push_events, tags=hook.tag_push_events, limit=limit)


def _write(project_id: int, owed: list[tuple[Webhook, PushEvent, int, Message]]) -> list[int]:
    """Lanes and deliveries; the lanes."""
    hook_ids = sorted({hook.pk for hook, _, _, _ in owed})
    DeliveryLane.objects.bulk_create(
        [DeliveryLane(webhook_id=hook_id, project_id=project_id) for hook_id in hook_ids], ignore_conflicts=True
    )
    lanes = dict(DeliveryLane.objects.filter(project_id=project_id, webhook_id__in=hook_ids).values_list("webhook_id", "pk"))
    WebhookDelivery.objects.bulk_create(
        [
            WebhookDelivery(
                lane_id=lanes[hook.pk],
                push_event=event,
                position=position,
                event=message.event,
                ref=message.ref[:1024],
                payload=message.body,
            )
            for hook, event, position, message in owed
        ],
        batch_size=500,
    )
    return list(lanes.values())
