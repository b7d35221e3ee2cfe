"""What follows a push, in the worker: activity of the project and the user, and the deliveries that webhooks are owed."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from django.conf import settings
from django.db import connection, transaction
from django.db.models import BigIntegerField
from django.utils import timezone

from internal_api.ready_inserts import ReadyInsert
from internal_api.ready_queries import Given, ReadyQuery
from internal_api.statements import day, fetch_rows, moment
from internal_api.task_context import passed_on
from repositories.models import DeliveryLane, Project, PushEvent, Webhook, WebhookDelivery
from repositories.policy import Change, RepositoryType
from repositories.policy.repository_path import gl_repository
from repositories.selectors.protection import protected_branch_names, protected_tag_names
from repositories.selectors.webhooks import webhooks_of
from repositories.services.webhook_deliveries import deliver
from repositories.signals import pushes_followed
from repositories.webhook_payloads import Message, Place, Pushed, Pusher, messages

PUSHES_AT_ONCE = 50
"""Pushes that one transaction follows at most, so that others who wait for its locks do not wait long."""
REFS_AT_ONCE = 20_000
"""Refs after which a transaction takes no further push."""

# What every push asks; built by the ORM each time, these cost more than all else that follows a push.
_WAITING = """
SELECT id, project_id, created_at, user_id, gl_repository FROM repositories_pushevent
WHERE project_id = %s AND followed_at IS NULL ORDER BY id LIMIT %s"""
_FOLLOWED = "UPDATE repositories_pushevent SET followed_at = %s WHERE id IN ({places})"
_PROJECT_IS_ACTIVE = """
UPDATE repositories_project SET last_activity_at = %(at)s
WHERE id = %(id)s AND (last_activity_at < %(at)s OR last_activity_at IS NULL)"""
_USER_IS_ACTIVE = """
UPDATE accounts_user SET last_activity_on = %(on)s WHERE id = %(id)s AND (last_activity_on < %(on)s OR last_activity_on IS NULL)"""

_PUSHERS = "SELECT id, name, username FROM accounts_user WHERE id IN ({places})"
_LANES = "SELECT webhook_id, id FROM repositories_deliverylane WHERE project_id = %s AND webhook_id IN ({places})"
_PROJECT = ReadyQuery(lambda: Project.objects.select_related("route", "namespace").filter(pk=Given("project", BigIntegerField())))
_EVENT = ReadyQuery(lambda: PushEvent.objects.filter(pk=Given("event", BigIntegerField())))
_DELIVERIES = ReadyInsert(WebhookDelivery)

ROWS_AT_ONCE = 50
"""Deliveries that one statement creates: a summary may list 1,000 refs."""


def follow_project(project_id: int) -> None:
    """Follow all pushes of the project that are still to be followed, in their order; each once, however often this runs.

    Some at a time, each a transaction of its own, and one push in memory at a time: after an outage there may be thousands.
    """
    while _follow_some(project_id):
        pass


@transaction.atomic
def _follow_some(project_id: int) -> bool:
    """Follow the next pushes; whether there may be more."""
    lock = " FOR NO KEY UPDATE" if connection.features.has_select_for_no_key_update else ""
    events = list(PushEvent.objects.raw(_WAITING + lock, [project_id, PUSHES_AT_ONCE]))
    if not events:
        return False
    followed, lane_ids = _create_deliveries(project_id, events)
    _note_activity(project_id, followed)
    for lane_id in lane_ids:
        deliver.enqueue(lane_id, **passed_on())
    if any(event.gl_repository == gl_repository(RepositoryType.PROJECT, project_id) for event in followed):
        pushes_followed.send(sender=Project, project_id=project_id)
    places = ", ".join(["%s"] * len(followed))
    with connection.cursor() as cursor:
        cursor.execute(_FOLLOWED.format(places=places), [moment(timezone.now()), *(event.pk for event in followed)])
    return len(followed) < len(events) or len(events) == PUSHES_AT_ONCE


def _note_activity(project_id: int, events: Iterable[PushEvent]) -> None:
    latest = max(event.created_at for event in events)
    days = sorted({(event.user_id, event.created_at.date()) for event in events if event.user_id is not None})
    with connection.cursor() as cursor:
        cursor.execute(_PROJECT_IS_ACTIVE, {"at": moment(latest), "id": project_id})
        for user_id, date in days:
            cursor.execute(_USER_IS_ACTIVE, {"on": day(date), "id": user_id})


def _create_deliveries(project_id: int, events: list[PushEvent]) -> tuple[list[PushEvent], list[int]]:
    """Create the deliveries of the first pushes, up to a number of refs; those pushes, and the lanes that deliver."""
    hooks = webhooks_of(project_id)
    if not hooks:
        return events, []
    repository = gl_repository(RepositoryType.PROJECT, project_id)
    project = _PROJECT.first(project=project_id)
    if project is None:
        return events, []  # removed in the meantime
    branches = protected_branch_names(project.pk, project.namespace.root_id or project.namespace_id)
    tags = protected_tag_names(project.pk)
    pushers, lanes = _pushers(events), _Lanes(project_id)
    refs = 0
    for number, event in enumerate(events):
        if refs >= REFS_AT_ONCE:
            return events[:number], lanes.used
        if event.gl_repository != repository:
            continue
        whole = _EVENT.first(event=event.pk)
        if whole is None:
            continue  # likewise
        refs += len(whole.changes)
        _write(whole, _messages_by_hook(hooks, _pushed(whole, project, pushers, branches, tags)), lanes)
    return events, lanes.used


def _pushers(events: Iterable[PushEvent]) -> dict[int, Pusher]:
    user_ids = {event.user_id for event in events if event.user_id is not None}
    if not user_ids:
        return {}
    sql = _PUSHERS.format(places=", ".join(["%s"] * len(user_ids)))
    return {user_id: Pusher(user_id, name, username) for user_id, name, username in fetch_rows(sql, sorted(user_ids))}


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


def _messages_by_hook(hooks: Iterable[Webhook], pushed: Pushed) -> Iterator[tuple[Webhook, Message, int]]:
    """Yield what each webhook is told, with its position; webhooks that want the same share it."""
    made: dict[tuple[bool, bool], list[Message]] = {}
    for hook in hooks:
        wanted = (hook.push_events, hook.tag_push_events)
        if wanted not in made:
            limit = settings.WEBHOOK_DELIVERIES_PER_PUSH
            made[wanted] = messages(pushed, branches=hook.push_events, tags=hook.tag_push_events, limit=limit)
        for position, message in enumerate(made[wanted]):
            yield hook, message, position


class _Lanes:
    """The lanes from a project to its webhooks, each looked up or created once."""

    def __init__(self, project_id: int) -> None:
        self._project_id = project_id
        self._found: dict[int, int] = {}

    @property
    def used(self) -> list[int]:
        return list(self._found.values())

    def of(self, hook_ids: Iterable[int]) -> dict[int, int]:
        """Return the lanes of these webhooks, by webhook."""
        missing = sorted(set(hook_ids) - self._found.keys())
        if missing:
            self._found |= self._existing(missing)
        new = [DeliveryLane(webhook_id=hook_id, project_id=self._project_id) for hook_id in missing if hook_id not in self._found]
        if new:
            DeliveryLane.objects.bulk_create(new, ignore_conflicts=True)
            self._found |= self._existing(missing)
        return self._found

    def _existing(self, hook_ids: Collection[int]) -> dict[int, int]:
        sql = _LANES.format(places=", ".join(["%s"] * len(hook_ids)))
        return dict(fetch_rows(sql, [self._project_id, *hook_ids]))


def _write(event: PushEvent, told: Iterable[tuple[Webhook, Message, int]], lanes: _Lanes) -> None:
    """Create the deliveries of one push."""
    owed = list(told)
    lane_ids = lanes.of(hook.pk for hook, _, _ in owed)
    rows = (
        WebhookDelivery(
            lane_id=lane_ids[hook.pk],
            push_event=event,
            position=position,
            event=message.event,
            ref=message.ref[:1024],
            payload=message.body,
            correlation_id=event.correlation_id,
            traceparent=event.traceparent,
        )
        for hook, message, position in owed
    )
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        _DELIVERIES.insert(batch)
