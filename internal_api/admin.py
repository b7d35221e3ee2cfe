"""The instance's settings and what happened, for administrators."""

import json
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from internal_api.models import Audited, AuditEvent, InstanceSettings, RefusedPeer


@admin.register(InstanceSettings)
class InstanceSettingsAdmin(admin.ModelAdmin):
    """One row, which is never removed."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return super().has_add_permission(request) and not InstanceSettings.objects.exists()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin(admin.ModelAdmin):
    """What has happened can be read, and not made up or changed."""

    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


@admin.register(RefusedPeer)
class RefusedPeerAdmin(ReadOnlyAdmin):
    """From where tokens come that prove nothing."""

    list_display = ("day", "address", "caller", "client", "number", "last_at")
    list_filter = ("day", "caller", "client")
    search_fields = ("address",)
    ordering = ("-day", "-number")


class EntityTypeFilter(admin.SimpleListFilter):
    """What events are about; the kinds are known without a look at a million rows."""

    title = "what it is about"
    parameter_name = "entity_type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        audited = {model.__name__: str(model._meta.verbose_name) for model in apps.get_models() if issubclass(model, Audited)}  # noqa: SLF001  Django's public name for it
        named = {**audited, "Group": "SCIM of a group", "Instance": "SCIM of the instance", "SCIM group": "SCIM group"}
        return sorted(named.items(), key=lambda item: item[1].lower())

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(entity_type=self.value()) if self.value() else queryset


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Who did what, when, from where, and what was before and after."""

    list_display = ("created_at", "author", "actor_kind", "action", "entity_type", "entity_path", "ip_address", "operation")
    list_filter = ("actor_kind", "created_at", EntityTypeFilter)
    search_fields = ("author_name", "credential", "entity_path", "ip_address", "correlation_id")
    search_help_text = "An author, a credential, what it is about, an IP address or a correlation id."
    fields = (
        "created_at", "author", "actor_kind", "credential", "ip_address", "operation", "action", "entity_type", "entity_id",
        "entity_path", "before_and_after", "details", "correlation_id",
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        return super().get_queryset(request).order_by("-pk")

    @admin.display(description="author", ordering="author_name")
    def author(self, event: AuditEvent) -> str:
        """The user, or else the OS user or program."""
        return event.author_name or event.credential

    @admin.display(description="changes")
    def before_and_after(self, event: AuditEvent) -> SafeString:
        """A row for each field."""
        rows = ((name, json.dumps(values.get("before")), json.dumps(values.get("after"))) for name, values in event.changes.items())
        body = format_html_join("", "<tr><th scope='row'>{}</th><td>{}</td><td>{}</td></tr>", rows)
        return format_html("<table><tr><th>Field</th><th>Before</th><th>After</th></tr>{}</table>", body)
