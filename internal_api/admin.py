"""The instance's settings and what happened, for administrators."""

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from internal_api.models import AuditEvent, InstanceSettings, RefusedPeer


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


@admin.register(AuditEvent)
class AuditEventAdmin(ReadOnlyAdmin):
    """Who did what, and when."""

    list_display = ("created_at", "action", "author_name", "entity_type", "entity_path", "ip_address")
    list_filter = ("action", "created_at", "entity_type")
    search_fields = ("author_name", "entity_path", "ip_address", "correlation_id")
    date_hierarchy = "created_at"

    def get_queryset(self, request: HttpRequest) -> QuerySet[AuditEvent]:
        return super().get_queryset(request).order_by("-pk")
