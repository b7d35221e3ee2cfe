"""LFS objects and locks, for administrators: objects can be looked at, locks can be removed too (contract: git-http LD21)."""

from typing import Any

from django.contrib import admin
from django.db.models import Count, QuerySet
from django.http import HttpRequest
from django.template.defaultfilters import filesizeformat

from internal_api.admin import ReadOnlyAdmin
from repositories.models import LFSLock, LFSObject, LFSObjectLink


class LFSObjectLinkInline(admin.TabularInline):
    """The repositories that have the object."""

    model = LFSObjectLink
    extra = 0
    max_num = 0
    can_delete = False
    fields = readonly_fields = ("project", "repository_type", "created_at")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        rows: QuerySet[Any] = super().get_queryset(request).select_related("project")
        return rows


@admin.register(LFSObject)
class LFSObjectAdmin(ReadOnlyAdmin):
    """Stored content. Clean-up removes what no repository has any more."""

    list_display = ("oid", "readable_size", "repositories", "created_at", "last_linked_at")
    search_fields = ("=oid", "links__project__route__path")
    search_help_text = "An object id, or a part of a project's path."
    fields = ("oid", "readable_size", "created_at", "last_linked_at")
    inlines = (LFSObjectLinkInline,)
    ordering = ("-pk",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With the number of repositories of each."""
        rows: QuerySet[Any] = super().get_queryset(request).annotate(number=Count("links", distinct=True))
        return rows

    @admin.display(description="size", ordering="size")
    def readable_size(self, row: LFSObject) -> str:
        """Bytes, as people read them."""
        return filesizeformat(row.size)

    @admin.display(description="repositories")
    def repositories(self, row: LFSObject) -> int:
        """How many repositories have it."""
        return int(getattr(row, "number", 0))


@admin.register(LFSLock)
class LFSLockAdmin(ReadOnlyAdmin):
    """Who has locked which file. A lock is made with `git lfs lock`; here it can be removed, whoever owns it."""

    list_display = ("path", "project_path", "owner", "locked_at")
    search_fields = ("path", "owner__username", "project__route__path")
    search_help_text = "A part of a file's path, of a user name or of a project's path."
    list_select_related = ("owner", "project__route")
    ordering = ("-pk",)

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return admin.ModelAdmin.has_delete_permission(self, request, obj)

    @admin.display(description="project", ordering="project__route__path")
    def project_path(self, lock: LFSLock) -> str:
        """Where the file is."""
        return lock.project.route.path
