"""What the front page tells of repositories: Gitaly, numbers, pushes, refusals and webhooks."""

from collections import Counter
from datetime import timedelta

from django.db.models import Count
from django.db.models.functions import TruncDate
from django.urls import reverse
from django.utils import timezone

from accounts.models import PersonalAccessToken, SSHKey, User, UserState
from internal_api.charts import bars
from internal_api.front_page import Line, Panel, register_panel
from repositories.models import DeliveryState, Namespace, NamespaceKind, Project, PushEvent, Refusal, Storage, Webhook, WebhookDelivery
from repositories.services.storage_health import storage_health

DAYS, MOST_STORAGES, SECONDS = 28, 10, 1.0


def _gitaly() -> Panel:
    return Panel("Gitaly", [_storage(storage) for storage in Storage.objects.order_by("name")[:MOST_STORAGES]])


def _storage(storage: Storage) -> Line:
    health = storage_health(storage, SECONDS)
    if health.problem:
        return Line(storage.name, "away", is_bad=True, address=reverse("admin:repositories_storage_change", args=[storage.pk]))
    return Line(storage.name, health.version)


def _numbers() -> Panel:
    states = Counter(dict(User.objects.values_list("state").annotate(number=Count("pk"))))
    blocked = sum(number for state, number in states.items() if state != UserState.ACTIVE)
    return Panel(
        "What there is",
        [
            Line("Users", str(states.total()), address=reverse("admin:accounts_user_changelist")),
            Line("of whom not active", str(blocked)),
            Line("SSH keys", str(SSHKey.objects.count()), address=reverse("admin:accounts_sshkey_changelist")),
            Line(
                "Tokens",
                str(PersonalAccessToken.objects.filter(revoked=False).count()),
                address=reverse("admin:accounts_personalaccesstoken_changelist"),
            ),
            Line(
                "Groups",
                str(Namespace.objects.filter(kind=NamespaceKind.GROUP).count()),
                address=reverse("admin:repositories_namespace_changelist"),
            ),
            Line("Projects", str(Project.objects.count()), address=reverse("admin:repositories_project_changelist")),
        ],
    )


def _pushes() -> Panel:
    today = timezone.now().date()
    first = today - timedelta(days=DAYS - 1)
    rows = PushEvent.objects.filter(created_at__date__gte=first).annotate(day=TruncDate("created_at")).values_list("day")
    found = dict(rows.annotate(number=Count("pk")))
    days = [found.get(first + timedelta(days=number), 0) for number in range(DAYS)]
    address = reverse("admin:repositories_pushevent_changelist")
    lines = [Line("Today", str(days[-1]), address=address), Line(f"{DAYS} days", str(sum(days)))]
    return Panel("Pushes", lines, bars(days, f"{sum(days)} pushes in {DAYS} days"))


def _refusals() -> Panel:
    week = timezone.now() - timedelta(days=7)
    reasons = Refusal.objects.filter(created_at__gte=week).values_list("reason").annotate(number=Count("pk")).order_by("-number")[:8]
    address = reverse("admin:repositories_refusal_changelist")
    lines = [Line(reason.replace("_", " "), str(number), address=f"{address}?reason={reason}") for reason, number in reasons]
    return Panel("Refused in seven days", lines or [Line("Nothing", "")])


def _webhooks() -> Panel:
    hooks, deliveries = reverse("admin:repositories_webhook_changelist"), reverse("admin:repositories_webhookdelivery_changelist")
    switched_off = Webhook.objects.filter(active=False).exclude(switched_off_reason="").count()
    waiting = WebhookDelivery.objects.filter(state=DeliveryState.WAITING).count()
    day = WebhookDelivery.objects.filter(created_at__gte=timezone.now() - timedelta(days=1))
    given_up = day.filter(state=DeliveryState.FAILED).count()
    lines = [
        Line("Switched off after failures", str(switched_off), is_bad=bool(switched_off), address=f"{hooks}?active__exact=0"),
        Line("Deliveries waiting", str(waiting), address=f"{deliveries}?state__exact=waiting"),
        Line("Delivered in a day", str(day.filter(state=DeliveryState.DELIVERED).count()), address=deliveries),
        Line("Given up in a day", str(given_up), is_bad=bool(given_up), address=f"{deliveries}?state__exact=failed"),
    ]
    return Panel("Webhooks", lines)


def register() -> None:
    """Make the panels known."""
    register_panel("gitaly", 10, _gitaly)
    register_panel("numbers", 20, _numbers)
    register_panel("pushes", 30, _pushes)
    register_panel("refusals", 40, _refusals)
    register_panel("webhooks", 50, _webhooks)
