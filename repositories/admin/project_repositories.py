"""What the page of a project does at Gitaly: its default branch, and a repository that is missing."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest

from internal_api.errors import UnavailableError
from repositories.errors import InvalidProjectError
from repositories.models import Project
from repositories.services.default_branch import set_default_branch
from repositories.services.repository_creation import not_made, provide_repositories


class RepositoryAdmin(admin.ModelAdmin):
    """The part of a project's page whose changes reach Gitaly."""

    def save_model(self, request: HttpRequest, obj: Project, form: Any, change: bool) -> None:
        """Set another default branch together with HEAD at Gitaly and the rule, or not at all; save the rest in any case."""
        wanted, former = obj.default_branch, form.initial.get("default_branch", obj.default_branch)
        obj.default_branch = former
        super().save_model(request, obj, form, change)
        if wanted == former:
            return
        try:
            set_default_branch(obj, wanted)
        except (InvalidProjectError, UnavailableError) as error:
            self.message_user(request, f"The default branch is still {former}: {error}", messages.ERROR)

    @admin.action(description="Create missing repositories of the selected projects")
    def create_missing_repositories(self, request: HttpRequest, queryset: QuerySet[Project]) -> None:
        """Do at Gitaly what the command `create_repositories` does."""
        outcomes: list[bool] = []
        missing = provide_repositories(queryset, made=outcomes.append)
        created = sum(outcomes)
        self.message_user(request, f"{created} created, {len(outcomes) - created} existed.", messages.SUCCESS)
        for line in not_made(missing):
            self.message_user(request, line, messages.ERROR)
