"""Namespaces, projects, who may do what with them, and what was pushed and refused, for administrators."""

from typing import Any

from django.contrib import admin, messages
from django.db import transaction
from django.db.models import F, OuterRef, QuerySet, Subquery, Sum
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from internal_api.admin import ReadOnlyAdmin
from internal_api.errors import DomainError
from repositories.admin.project_repositories import RepositoryAdmin
from repositories.models import (
    DeployKeyGrant,
    EnterpriseUser,
    ErrorTrackingKey,
    GroupLink,
    GroupSSHCertificate,
    Member,
    Namespace,
    PendingPush,
    Project,
    ProtectedBranch,
    ProtectedRefGrant,
    ProtectedTag,
    PushEvent,
    Refusal,
    Storage,
)
from repositories.selectors.reach import who_reaches
from repositories.services.certificates import apply_ssh_key_rule
from repositories.services.project_deletion import check_gitaly_can_remove, delete_project, remove_repositories
from repositories.services.projects import set_archived


@admin.register(Storage)
class StorageAdmin(admin.ModelAdmin):
    """Gitaly servers; a token can be set and is never shown."""

    list_display = ("name", "gitaly_address")
    exclude = ("gitaly_token",)


@admin.register(Namespace)
class NamespaceAdmin(admin.ModelAdmin):
    """Groups and users' own namespaces. They are made and moved by commands, which keep their routes in step."""

    list_display = ("full_path", "kind", "visibility", "archived", "storage", "over_storage_limit")
    list_filter = ("kind", "visibility", "archived", "over_storage_limit")
    search_fields = ("route__path",)
    list_select_related = ("route",)
    readonly_fields = ("kind", "path", "owner", "parent")
    ordering = ("-pk",)  # pickers page through these lists
    show_full_result_count = False

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """With what each uses, worked out for the rows of the page alone."""
        used = (
            Project.objects.filter(namespace__root=OuterRef("pk"))
            .order_by()
            .values("namespace__root")
            .values(used=Sum(F("storage_size") + F("lfs_size")))
        )
        rows: QuerySet[Any] = super().get_queryset(request).annotate(storage_used=Subquery(used))
        return rows

    @admin.display(description="storage")
    def storage(self, namespace: Namespace) -> str:
        """What a top-level namespace uses of its limit."""
        used, limit = getattr(namespace, "storage_used", None) or 0, namespace.storage_limit
        return (
            f"{filesizeformat(used)} of {filesizeformat(limit)}, {used * 100 // limit} %" if limit else filesizeformat(used) if used else ""
        )

    @admin.display(description="path", ordering="route__path")
    def full_path(self, namespace: Namespace) -> str:
        """Where it is."""
        return namespace.route.path

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def save_model(self, request: HttpRequest, obj: Namespace, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        apply_ssh_key_rule(obj)


class MemberInline(admin.TabularInline):
    """Direct members."""

    model = Member
    extra = 0
    fields = ("user", "access_level", "state", "expires_at")
    autocomplete_fields = ("user",)


class GroupLinkInline(admin.TabularInline):
    """Invited groups."""

    model = GroupLink
    fk_name = "project"
    extra = 0
    fields = ("group", "access_level")
    autocomplete_fields = ("group",)


class DeployKeyInline(admin.TabularInline):
    """Deploy keys that are enabled."""

    model = DeployKeyGrant
    extra = 0
    autocomplete_fields = ("key",)


@admin.register(Project)
class ProjectAdmin(RepositoryAdmin):
    """Projects. They are made and moved by commands, which keep their routes and repositories in step."""

    list_display = ("full_path", "visibility", "archived", "default_branch", "storage")
    list_filter = ("visibility", "archived", "storage")
    search_fields = ("route__path",)
    list_select_related = ("route", "storage")
    readonly_fields = ("namespace", "path", "creator", "relative_path")
    ordering = ("-pk",)
    inlines = (MemberInline, GroupLinkInline, DeployKeyInline)
    actions = ("archive", "unarchive", "create_missing_repositories")
    show_full_result_count = False

    @admin.display(description="path", ordering="route__path")
    def full_path(self, project: Project) -> str:
        """Where it is."""
        return project.route.path

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def get_urls(self) -> list[URLPattern]:
        site = self.admin_site
        asking = path("access/", site.admin_view(self.access), name="repositories_project_access")
        reaching = path("<int:project_id>/reach/", site.admin_view(self.reach), name="repositories_project_reach")
        return [asking, reaching, *super().get_urls()]

    def reach(self, request: HttpRequest, project_id: int) -> HttpResponse:
        """Who can reach a project, and why."""
        project = get_object_or_404(Project.objects.select_related("route", "namespace__owner"), pk=project_id)
        context = {
            **self.admin_site.each_context(request),
            "title": "Who can reach it",
            "project": project,
            "people": who_reaches(project),
            "keys": project.deploy_key_grants.select_related("key"),
        }
        return TemplateResponse(request, "admin/repositories/project/reach.html", context)

    def access(self, request: HttpRequest) -> HttpResponse:
        """May this key push that ref? Nothing is pushed, and nothing recorded."""
        from repositories.access_page import AccessForm  # noqa: PLC0415  loaded by the first who asks

        form = AccessForm(request.GET if "ask" in request.GET else None)
        found = form.found()
        context = {**self.admin_site.each_context(request), "title": "May they?", "form": form, "found": found}
        return TemplateResponse(request, "admin/repositories/project/access.html", context)

    def delete_model(self, request: HttpRequest, obj: Project) -> None:
        """With its repositories at Gitaly, after the commit: the page's transaction does not wait for Gitaly."""

        def remove() -> None:
            outcome = remove_repositories(gone)
            if outcome.remains:
                self.message_user(request, f"The project is deleted, but {outcome.remains}", messages.ERROR)

        gone = delete_project(obj)
        transaction.on_commit(remove)

    def delete_view(self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """While Gitaly is away nothing is deleted, which is found out before the page's transaction begins."""
        try:
            project = self.get_object(request, object_id) if request.method == "POST" else None
            if project is not None and self.has_delete_permission(request, project):
                check_gitaly_can_remove(project)
            return super().delete_view(request, object_id, extra_context)
        except DomainError as error:
            self.message_user(request, str(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:repositories_project_change", args=[object_id]))

    def get_deleted_objects(self, objs: Any, request: HttpRequest) -> tuple[Any, ...]:
        """What happened to a project, which cannot be removed by itself, goes with it."""
        to_delete, counts, _, protected = super().get_deleted_objects(objs, request)
        return to_delete, counts, set(), protected

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """One at a time: each removal asks Gitaly."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}

    @admin.action(description="Archive the selected projects")
    def archive(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        """Closed to pushes, with an entry in the history."""
        self._set_archived(request, queryset, archived=True)

    @admin.action(description="Unarchive the selected projects")
    def unarchive(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        """Open again, with an entry in the history."""
        self._set_archived(request, queryset, archived=False)

    def _set_archived(self, request: HttpRequest, queryset: QuerySet[Project], *, archived: bool) -> None:
        changed = [project for project in queryset if set_archived(project, archived)]
        for project in changed:
            self.log_change(request, project, "Archived." if archived else "Unarchived.")
        self.message_user(request, f"{len(changed)} changed.", messages.SUCCESS)


class BranchGrantInline(admin.TabularInline):
    """Who may push and merge."""

    model = ProtectedRefGrant
    fk_name = "protected_branch"
    extra = 0
    fields = ("kind", "access_level", "user", "group", "deploy_key")
    autocomplete_fields = ("user", "group", "deploy_key")


@admin.register(ProtectedBranch)
class ProtectedBranchAdmin(admin.ModelAdmin):
    """Rules on branches."""

    list_display = ("name", "project", "namespace", "allow_force_push")
    search_fields = ("name", "project__route__path", "namespace__route__path")
    list_select_related = ("project", "namespace")
    autocomplete_fields = ("project", "namespace")
    inlines = (BranchGrantInline,)


class TagGrantInline(admin.TabularInline):
    """Who may create."""

    model = ProtectedRefGrant
    fk_name = "protected_tag"
    extra = 0
    fields = ("kind", "access_level", "user", "group", "deploy_key")
    autocomplete_fields = ("user", "group", "deploy_key")


@admin.register(ProtectedTag)
class ProtectedTagAdmin(admin.ModelAdmin):
    """Rules on tags."""

    list_display = ("name", "project")
    search_fields = ("name", "project__route__path")
    list_select_related = ("project",)
    autocomplete_fields = ("project",)
    inlines = (TagGrantInline,)


@admin.register(PushEvent)
class PushEventAdmin(ReadOnlyAdmin):
    """What was pushed."""

    list_display = ("created_at", "gl_repository", "project", "user", "refs", "recovered")
    list_filter = ("recovered",)
    search_fields = ("project__route__path", "user__username")
    list_select_related = ("project", "user")

    @admin.display
    def refs(self, event: PushEvent) -> int:
        """How many refs changed."""
        return len(event.changes)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        return super().get_queryset(request).order_by("-pk")


@admin.register(PendingPush)
class PendingPushAdmin(ReadOnlyAdmin):
    """What was allowed to be pushed and is not reported yet."""

    list_display = ("created_at", "gl_repository", "project", "user_id", "key_id", "refs", "asked_at", "due_at")
    fields = ("created_at", "project", "gl_repository", "user_id", "key_id", "request_id", "lines", "asked_at", "due_at")
    readonly_fields = ("lines",)
    search_fields = ("project__route__path", "request_id")
    list_select_related = ("project",)
    ordering = ("-pk",)

    @admin.display
    def refs(self, push: PendingPush) -> int:
        """How many refs were to be changed."""
        return len(push.changes)

    @admin.display(description="Changes")
    def lines(self, push: PendingPush) -> str:
        """The first hundred."""
        return "\n".join(f"{change.oldrev} {change.newrev} {change.ref}" for change in push.changes[:100])


@admin.register(Refusal)
class RefusalAdmin(ReadOnlyAdmin):
    """Who was refused lately, and why."""

    list_display = ("created_at", "username", "project_path", "action", "reason")
    list_filter = ("reason", "action")
    search_fields = ("username", "project_path")
    ordering = ("-pk",)


@admin.register(GroupSSHCertificate)
class GroupSSHCertificateAdmin(admin.ModelAdmin):
    """Which certificate authorities open which groups. New ones come by seed file, which reads and checks their keys."""

    list_display = ("title", "group", "fingerprint", "created_at")
    search_fields = ("title", "fingerprint", "group__route__path")
    list_select_related = ("group",)
    readonly_fields = ("group", "key", "fingerprint", "created_at")

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False


@admin.register(EnterpriseUser)
class EnterpriseUserAdmin(ReadOnlyAdmin):
    """Whose accounts belong to which groups."""

    list_display = ("user", "group")
    search_fields = ("user__username", "group__route__path")
    list_select_related = ("user", "group")


@admin.register(ErrorTrackingKey)
class ErrorTrackingKeyAdmin(admin.ModelAdmin):
    """Which keys may report errors."""

    list_display = ("public_key", "project", "active")
    list_filter = ("active",)
    search_fields = ("public_key", "project__route__path")
    list_select_related = ("project",)
    autocomplete_fields = ("project",)
