"""Users, their keys and tokens, for administrators. No secret is ever shown."""

from collections.abc import Callable, Iterable
from typing import Any

from django.contrib import admin, messages
from django.db import connection
from django.db.models import QuerySet
from django.http import HttpRequest

from accounts.models import BLOCKED_STATES, PersonalAccessToken, SSHKey, User, default_blocker
from accounts.services.personal_access_tokens import revoke
from accounts.services.users import AccountState, block, unblock
from accounts.ssh.fingerprint import fingerprint_of_search


def _apply(site: admin.ModelAdmin, request: HttpRequest, rows: Iterable[Any], change: Callable[[Any], bool], outcome: str) -> None:
    """Change the rows one by one, and write down those that have changed."""
    changed = [row for row in rows if change(row)]
    for row in changed:
        site.log_change(request, row, f"{outcome.capitalize()}.")
    site.message_user(request, f"{len(changed)} {outcome}.", messages.SUCCESS)


@admin.register(User)
class UserAdmin(admin.ModelAdmin):
    """People and bots. New ones are made by `create_user`, which gives them their namespace."""

    ordering = ("-pk",)  # pickers page through these lists
    list_display = ("username", "name", "email", "state", "blocked_by", "user_type", "admin", "last_activity_on")
    list_filter = ("state", "blocked_by", "user_type", "admin", "external")
    search_fields = ("username", "name", "email")
    readonly_fields = ("username", "blocked_by", "last_login", "last_activity_on", "created_at")
    actions = ("block", "unblock")
    exclude = ("password", "otp_secret", "otp_consumed_timestep")
    show_full_result_count = False

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_object(self, request: HttpRequest, object_id: str, from_field: str | None = None) -> User | None:
        """Return the user, locked while a form is saved: SCIM may change the state at the same moment."""
        user: User | None = super().get_object(request, object_id, from_field)
        if user is None or request.method != "POST" or not connection.in_atomic_block:
            return user
        return self.get_queryset(request).select_for_update().filter(pk=user.pk).first()

    def save_model(self, request: HttpRequest, obj: User, form: Any, change: bool) -> None:
        """Save; whoever changes the state here takes a block over."""
        former = AccountState.of(User.objects.get(pk=obj.pk))
        if obj.state != former.state:
            obj.blocked_by = default_blocker(obj.state) if obj.state in BLOCKED_STATES else ""
        super().save_model(request, obj, form, change)

    @admin.action(description="Block the selected users")
    def block(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """Out of everything at once, with an entry in the history; not whoever asks for it. Takes over a block of SCIM's."""
        _apply(self, request, [user for user in queryset if user != request.user], block, "blocked")

    @admin.action(description="Unblock the selected users")
    def unblock(self, request: HttpRequest, queryset: QuerySet[User]) -> None:
        """In again, with an entry in the history."""
        _apply(self, request, queryset, unblock, "unblocked")


@admin.register(SSHKey)
class SSHKeyAdmin(admin.ModelAdmin):
    """Which key is this? Searched by title, owner, fingerprint, or a pasted key."""

    ordering = ("-pk",)
    list_display = ("title", "user", "kind", "key_type", "fingerprint", "usage_type", "expires_at", "last_used_at")
    list_filter = ("kind", "usage_type", "key_type")
    search_fields = ("title", "user__username", "fingerprint", "fingerprint_md5")
    list_select_related = ("user",)
    readonly_fields = ("user", "kind", "key", "key_type", "bits", "fingerprint", "fingerprint_md5", "last_used_at")
    show_full_result_count = False

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[SSHKey], search_term: str) -> tuple[QuerySet[SSHKey], bool]:
        fingerprint = fingerprint_of_search(search_term)
        return super().get_search_results(request, queryset, fingerprint or search_term.strip().removeprefix("MD5:"))

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(PersonalAccessToken)
class PersonalAccessTokenAdmin(admin.ModelAdmin):
    """Which tokens exist, and whether they are still good."""

    list_display = ("name", "user", "scopes", "expires_at", "revoked", "last_used_at")
    list_filter = ("revoked",)
    actions = ("revoke",)
    search_fields = ("name", "user__username")
    list_select_related = ("user",)
    readonly_fields = ("user", "name", "scopes", "expires_at", "created_at", "last_used_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_exclude(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        return ("token_digest",)

    @admin.action(description="Revoke the selected tokens")
    def revoke(self, request: HttpRequest, queryset: QuerySet[PersonalAccessToken]) -> None:
        """Worthless at once, with an entry in the history."""
        _apply(self, request, queryset, revoke, "revoked")
