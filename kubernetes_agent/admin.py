"""Agents, their tokens, what they count and what they find, for administrators. No token and no key is ever shown."""

from datetime import datetime
from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone

from accounts.models import User
from internal_api.admin import ReadOnlyAdmin
from internal_api.charts import bars
from internal_api.shared_store import SharedStoreError
from kubernetes_agent.models import (
    Agent,
    AgentAuthorization,
    AgentEvent,
    AgentToken,
    SecurityPolicy,
    TokenStatus,
    UsageCounter,
    Vulnerability,
)
from kubernetes_agent.selectors.agents import with_last_seen
from kubernetes_agent.selectors.metrics import CounterReading, UniqueReading, counter_readings, unique_readings
from kubernetes_agent.services.tokens import revoke_agent_token, rotate_agent_token


@admin.register(Agent)
class AgentAdmin(admin.ModelAdmin):
    """Agents; new ones are made by `create_agent`."""

    list_display = (
        "name",
        "project_path",
        "connected",
        "last_seen",
        "agent_version",
        "kubernetes_version",
        "created_by",
        "has_vulnerabilities",
    )
    list_filter = ("has_vulnerabilities",)
    search_fields = ("name", "project__route__path")
    list_select_related = ("project__route", "created_by")
    readonly_fields = ("project", "name", "agent_version", "kubernetes_version", "architecture", "has_vulnerabilities", "created_at")
    autocomplete_fields = ("created_by",)
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Agent]:
        """Return the agents with whether they are connected."""
        return with_last_seen(super().get_queryset(request), timezone.now())

    @admin.display(description="project", ordering="project__route__path")
    def project_path(self, agent: Agent) -> str:
        """The full path of the project that holds the configuration."""
        return agent.project.route.path

    @admin.display(description="connected", boolean=True)
    def connected(self, agent: Agent) -> bool:
        """Whether one of its active tokens was used within the last hour."""
        return bool(getattr(agent, "is_connected"))  # noqa: B009  annotated by get_queryset

    @admin.display(description="last seen", ordering="last_seen_at", empty_value="never")
    def last_seen(self, agent: Agent) -> datetime | None:
        """When one of its tokens was last used, to the hour."""
        return getattr(agent, "last_seen_at")  # type: ignore[no-any-return]  # noqa: B009  annotated by get_queryset

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(AgentToken)
class AgentTokenAdmin(ReadOnlyAdmin):
    """Which tokens exist and when they were used. New ones are made by `create_agent_token`."""

    list_display = ("name", "agent", "status", "last_used_at", "created_at")
    list_filter = ("status",)
    search_fields = ("name", "agent__name")
    list_select_related = ("agent",)
    exclude = ("token_digest",)
    actions = ("revoke", "rotate")

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[AgentToken]) -> None:
        """Worthless at once, with an entry in the history."""
        revoked = [token for token in queryset.select_related("agent") if revoke_agent_token(token)]
        for token in revoked:
            self.log_change(request, token, "Revoked.")
        self.message_user(request, f"{len(revoked)} tokens were revoked.", messages.SUCCESS)

    @admin.action(description="Rotate the selected tokens")
    def rotate(self, request: HttpRequest, queryset: QuerySet[AgentToken]) -> None:
        """New ones of the same names, shown this once; the former ones are worthless from now on."""
        user = request.user if isinstance(request.user, User) else None
        for token in queryset.filter(status=TokenStatus.ACTIVE).select_related("agent"):
            row, clear = rotate_agent_token(token, user=user)
            self.log_change(request, row, "Rotated.")
            self.message_user(request, f"The new token {row.name} of {token.agent}, shown this once: {clear}", messages.WARNING)


@admin.register(AgentEvent)
class AgentEventAdmin(ReadOnlyAdmin):
    """What happened to agents."""

    list_display = ("recorded_at", "agent", "kind", "token", "user")
    list_filter = ("kind",)
    search_fields = ("agent__name",)
    list_select_related = ("agent", "token", "user")
    ordering = ("-pk",)


@admin.register(AgentAuthorization)
class AgentAuthorizationAdmin(ReadOnlyAdmin):
    """Where agents may be used, as their configuration files say."""

    list_display = ("agent", "kind", "opened_to", "config")
    list_filter = ("kind",)
    search_fields = ("agent__name", "project__route__path", "group__route__path")
    list_select_related = ("agent", "project__route", "group__route")

    @admin.display(description="open to")
    def opened_to(self, authorization: AgentAuthorization) -> str:
        """The kind and full path of the project or group."""
        if authorization.project is not None:
            return f"project {authorization.project.route.path}"
        return f"group {authorization.group.route.path}" if authorization.group is not None else ""


@admin.register(SecurityPolicy)
class SecurityPolicyAdmin(admin.ModelAdmin):
    """Policies of projects and groups."""

    list_display = ("name", "project", "group", "enabled", "updated_at")
    list_filter = ("enabled",)
    search_fields = ("name", "project__route__path", "group__route__path")
    list_select_related = ("project", "group")
    autocomplete_fields = ("project", "group")


@admin.register(Vulnerability)
class VulnerabilityAdmin(ReadOnlyAdmin):
    """What scanners have found."""

    list_display = ("title", "project", "severity", "state", "agent", "scanner", "detected_at")
    list_filter = ("severity", "state")
    search_fields = ("title", "project__route__path", "uuid")
    list_select_related = ("project", "agent", "scanner")
    ordering = ("-severity", "-detected_at")


@admin.register(UsageCounter)
class UsageCounterAdmin(ReadOnlyAdmin):
    """What kas has counted, as a table with a small chart for each counter."""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        context = {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": "Usage counters",
            "counters": [_shown(reading) for reading in counter_readings()],
            "unique": _unique(),
        }
        return TemplateResponse(request, "admin/kubernetes_agent/usagecounter/change_list.html", context)


def _shown(reading: CounterReading) -> dict[str, Any]:
    recent = sum(reading.days)
    chart = bars(reading.days, f"{reading.name}: {recent} in {len(reading.days)} days")
    return {"name": reading.name, "total": reading.total, "recent": recent, "chart": chart}


def _unique() -> list[UniqueReading]:
    try:
        return unique_readings()
    except SharedStoreError:
        return []
