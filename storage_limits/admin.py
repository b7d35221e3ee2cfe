"""Exclusions from storage limits, for administrators: the same rules as the API's."""

from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from storage_limits.models import LimitExclusion
from storage_limits.services.exclusions import exclude, remove_exclusion


class LimitExclusionForm(forms.ModelForm):
    """A namespace at the top, and a reason."""

    class Meta:
        model = LimitExclusion
        fields = ("namespace", "reason")


@admin.register(LimitExclusion)
class LimitExclusionAdmin(admin.ModelAdmin):
    """Who is excluded, and why."""

    form = LimitExclusionForm
    list_display = ("namespace_path", "reason", "created_at")
    search_fields = ("reason", "namespace__route__path")
    list_select_related = ("namespace__route",)
    autocomplete_fields = ("namespace",)
    show_full_result_count = False

    @admin.display(description="namespace", ordering="namespace__route__path")
    def namespace_path(self, exclusion: LimitExclusion) -> str:
        """Where it is."""
        return exclusion.namespace.route.path

    def get_readonly_fields(self, request: HttpRequest, obj: LimitExclusion | None = None) -> tuple[str, ...]:
        return ("namespace",) if obj else ()

    def save_model(self, request: HttpRequest, obj: LimitExclusion, form: Any, change: bool) -> None:
        if change:
            super().save_model(request, obj, form, change)
        else:
            obj.pk = exclude(obj.namespace, obj.reason).pk

    def delete_model(self, request: HttpRequest, obj: LimitExclusion) -> None:
        remove_exclusion(obj.namespace)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[LimitExclusion]) -> None:
        for exclusion in queryset.select_related("namespace"):
            remove_exclusion(exclusion.namespace)
