"""What the front page tells of provisioning."""

from datetime import timedelta

from django.db.models import Count, Sum
from django.urls import reverse
from django.utils import timezone

from internal_api.front_page import Line, Panel, register_panel
from internal_api.models import AuditEvent
from scim.models import Scope

_ACTIONS = {
    "user_provisioned_by_scim": "Taken in",
    "user_deprovisioned_by_scim": "Let go",
    "user_reprovisioned_by_scim": "Taken back",
    "scim_identity_removed": "Removed",
}


def _provisioning() -> Panel:
    week = timezone.now() - timedelta(days=7)
    rows = AuditEvent.objects.filter(action__in=_ACTIONS, created_at__gte=week).values_list("action").annotate(number=Count("pk"))
    numbers = dict(rows)
    people = Scope.objects.aggregate(total=Sum("identity_count"))["total"] or 0
    address = reverse("admin:internal_api_auditevent_changelist")
    lines = [Line("Identities", str(people), address=reverse("admin:scim_identity_changelist"))]
    lines += [
        Line(f"{label} in seven days", str(numbers.get(action, 0)), address=f"{address}?action={action}")
        for action, label in _ACTIONS.items()
    ]
    return Panel("Provisioning", lines)


def register() -> None:
    """Make the panel known."""
    register_panel("provisioning", 50, _provisioning)
