"""Projects, each with a repository and a wiki."""

from typing import ClassVar, Protocol

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from internal_api.blank_names import not_blank
from internal_api.encryption import is_decrypted
from internal_api.models import Audited
from internal_api.models.instance_settings import validate_branch_name
from repositories.models.namespace import Namespace, Visibility
from repositories.models.storage import Storage, is_gitaly_address
from repositories.policy.repository_path import is_relative_path


def validate_relative_path(path: str) -> None:
    """Raise ValidationError for a path that does not stay below its storage."""
    if not is_relative_path(path):
        raise ValidationError(f"{path!r} is not a path below a storage, such as group/project.git.")


class FeatureLevel(models.TextChoices):
    """To whom a part of a project is open, among those who see the project (contract: allowed 9)."""

    DISABLED = "disabled", "Disabled"
    PRIVATE = "private", "Members only"
    ENABLED = "enabled", "Everyone with access"


class Project(Audited):
    """A project and the state of its repositories. An empty `relative_path` stands for hashed storage."""

    namespace = models.ForeignKey(Namespace, on_delete=models.PROTECT, related_name="projects")
    name = models.CharField(max_length=255)
    path = models.CharField(max_length=255)
    description = models.TextField(default="", blank=True)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PRIVATE)
    archived = models.BooleanField(default=False)
    creator = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="created_projects")
    storage = models.ForeignKey(Storage, on_delete=models.PROTECT, related_name="projects")
    relative_path = models.CharField(max_length=1024, null=True, blank=True, validators=[validate_relative_path])  # noqa: DJ001  null means hashed storage
    repository_exists = models.BooleanField(default=True)
    wiki_exists = models.BooleanField(default=True)
    empty = models.BooleanField(default=False, help_text="No branch has been pushed yet.")
    read_only = models.BooleanField(default=False, help_text="The repository is being moved or repaired.")
    default_branch = models.CharField(max_length=255, default="main", validators=[validate_branch_name])
    default_branch_is_provisional = models.BooleanField(
        default=False, editable=False, help_text="Decided while Gitaly did not answer; a worker asks again."
    )
    repository_access_level = models.CharField(max_length=8, choices=FeatureLevel, default=FeatureLevel.ENABLED)
    wiki_access_level = models.CharField(max_length=8, choices=FeatureLevel, default=FeatureLevel.ENABLED)
    lfs_enabled = models.BooleanField(default=True)
    merge_requests_enabled = models.BooleanField(default=True)
    printing_merge_request_link_enabled = models.BooleanField(default=True)
    storage_size = models.BigIntegerField(default=0, validators=[MinValueValidator(0)], help_text="Bytes of the repositories.")
    lfs_size = models.BigIntegerField(default=0, editable=False, help_text="Bytes of its LFS objects, each link counted in full.")
    size_measured_at = models.DateTimeField(null=True, blank=True, editable=False)
    size_is_due = models.BooleanField(default=False, editable=False, help_text="A measurement is waiting for its time.")
    last_activity_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    audit_ignored = frozenset({"default_branch_is_provisional", "lfs_size", "size_measured_at", "size_is_due", "last_activity_at"})
    audit_state = frozenset({"repository_exists", "wiki_exists", "empty", "storage_size"})
    audit_related = ("namespace__route",)

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["id"], condition=models.Q(default_branch_is_provisional=True), name="project_branch_provisional"),
            models.Index(fields=["size_measured_at"], condition=models.Q(size_is_due=True), name="project_size_due"),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(visibility__in=Visibility.values), name="project_visibility_known"),
            models.CheckConstraint(
                condition=models.Q(repository_access_level__in=FeatureLevel.values), name="project_repository_level_known"
            ),
            models.CheckConstraint(condition=models.Q(wiki_access_level__in=FeatureLevel.values), name="project_wiki_level_known"),
            models.CheckConstraint(condition=models.Q(storage_size__gte=0), name="project_storage_size_not_negative"),
            models.CheckConstraint(condition=models.Q(lfs_size__gte=0), name="project_lfs_size_not_negative"),
            models.CheckConstraint(condition=~models.Q(relative_path=""), name="project_relative_path_not_empty"),
            not_blank("default_branch", name="project_default_branch_not_blank"),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        """The full path."""
        return f"{self.namespace.audit_name()}/{self.path}"


class InOnePlace(Protocol):
    """Something of a project or of a namespace."""

    @property
    def project(self) -> Project | None:
        """The project, unless it is a namespace's."""

    @property
    def namespace(self) -> Namespace | None:
        """The namespace, unless it is a project's."""


def place_name(row: InOnePlace) -> str:
    """Return the full path of what a row belongs to; "instance" for what belongs to neither."""
    place = row.project or row.namespace
    return place.audit_name() if place is not None else "instance"


def unreadable_location(project: Project) -> tuple[str, str, int] | None:
    """Return the table, column and row that say where the project lies and cannot be read; None when all can."""
    storage = project.storage
    if not is_gitaly_address(storage.gitaly_address):
        return Storage._meta.db_table, "gitaly_address", storage.pk  # noqa: SLF001  Django's public name for it
    if not is_decrypted(storage.gitaly_token):
        return Storage._meta.db_table, "gitaly_token", storage.pk  # noqa: SLF001  likewise
    if project.relative_path is not None and not is_relative_path(project.relative_path):
        return Project._meta.db_table, "relative_path", project.pk  # noqa: SLF001  likewise
    return None
