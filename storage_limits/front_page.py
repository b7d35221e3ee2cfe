"""What the front page tells of storage limits."""

from django.urls import reverse

from internal_api.front_page import Line, Panel, register_panel
from repositories.models import Namespace
from storage_limits.models import LimitExclusion


def _storage_limits() -> Panel:
    over = Namespace.objects.filter(over_storage_limit=True).count()
    namespaces = reverse("admin:repositories_namespace_changelist")
    return Panel(
        "Storage limits",
        [
            Line("Namespaces over their limit", str(over), is_bad=over > 0, address=f"{namespaces}?over_storage_limit__exact=1"),
            Line("Excluded", str(LimitExclusion.objects.count()), address=reverse("admin:storage_limits_limitexclusion_changelist")),
        ],
    )


def register() -> None:
    """Make the panel known."""
    register_panel("storage limits", 70, _storage_limits)
