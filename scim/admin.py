"""Who was provisioned by whom and when, for administrators. No token is ever shown again."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from internal_api.admin import ReadOnlyAdmin
from scim.models import GroupMembership, Identity, SamlGroupLink, SamlProvider, SCIMToken, Scope
from scim.services.tokens import rotate_token


@admin.register(Identity)
class IdentityAdmin(ReadOnlyAdmin):
    """Whom an identity provider knows, and by which id. They are changed by SCIM; the audit events say when."""

    list_display = ("extern_uid", "user", "scope", "active", "has_made_user", "created_at", "updated_at", "deleted_at")
    list_filter = ("active", "has_made_user", "scope")
    search_fields = ("extern_uid", "user__username", "user__email", "scope__group__path")
    list_select_related = ("user", "scope__group")
    ordering = ("-pk",)


@admin.register(Scope)
class ScopeAdmin(ReadOnlyAdmin):
    """Where people are provisioned to, and how many."""

    list_display = ("__str__", "identity_count")
    list_select_related = ("group",)


@admin.register(SCIMToken)
class SCIMTokenAdmin(ReadOnlyAdmin):
    """Which tokens there are and when they were used."""

    list_display = ("scope", "profile", "created_at", "rotated_at", "last_used_at")
    list_select_related = ("scope__group",)
    actions = ("rotate", "rotate_now")

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("token_digest", "previous_digest")

    @admin.action(description="Rotate the selected tokens")
    def rotate(self, request: HttpRequest, queryset: QuerySet[SCIMToken]) -> None:
        """Show new ones this once; the former ones stay valid for SCIM_TOKEN_GRACE seconds."""
        self._rotate(request, queryset, now=False)

    @admin.action(description="Rotate the selected tokens at once, without grace")
    def rotate_now(self, request: HttpRequest, queryset: QuerySet[SCIMToken]) -> None:
        """Show new ones this once; the former ones are worthless at once."""
        self._rotate(request, queryset, now=True)

    def _rotate(self, request: HttpRequest, queryset: QuerySet[SCIMToken], *, now: bool) -> None:
        for token in queryset.select_related("scope__group"):
            row, clear = rotate_token(token.scope.group, now=now)
            self.log_change(request, row, "Rotated.")
            self.message_user(request, f"The new token of {token.scope}, shown this once: {clear}", messages.WARNING)


@admin.register(SamlProvider)
class SamlProviderAdmin(admin.ModelAdmin):
    """Groups with single sign-on."""

    list_display = ("group", "enabled", "default_role")
    search_fields = ("group__route__path",)
    list_select_related = ("group",)
    autocomplete_fields = ("group",)


@admin.register(SamlGroupLink)
class SamlGroupLinkAdmin(admin.ModelAdmin):
    """Which groups of the identity provider give which role where."""

    list_display = ("name", "group", "access_level", "scim_group_uid")
    search_fields = ("name", "group__route__path")
    list_select_related = ("group",)
    autocomplete_fields = ("group",)
    readonly_fields = ("scim_group_uid",)


@admin.register(GroupMembership)
class GroupMembershipAdmin(ReadOnlyAdmin):
    """Whom SCIM has put into which group of the identity provider."""

    list_display = ("scim_group_uid", "user")
    search_fields = ("scim_group_uid", "user__username")
    list_select_related = ("user",)
