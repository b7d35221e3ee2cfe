"""Where projects live: users' own namespaces and groups, nested at will, in one table with one id space."""

from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone

from internal_api.email_domains import domain_problem
from internal_api.model_fields import StringListField, json_type_is
from internal_api.models import Audited
from internal_api.models.instance_settings import BranchLevel
from repositories.policy.addresses import range_problem


class Visibility(models.TextChoices):
    """Who may see something without being a member (contract: allowed 9)."""

    PRIVATE = "private", "Private"
    INTERNAL = "internal", "Internal"
    PUBLIC = "public", "Public"


class NamespaceKind(models.TextChoices):
    """Whose namespace it is."""

    USER = "user", "User's own"
    GROUP = "group", "Group"


class GitProtocolChoice(models.TextChoices):
    """Which protocols a top-level group leaves open."""

    ALL = "all", "All"
    SSH = "ssh", "SSH"
    HTTP = "http", "HTTP"


class ProjectCreationLevel(models.TextChoices):
    """The least role that may create projects in a group."""

    NO_ONE = "no_one", "No one"
    MAINTAINER = "maintainer", "Maintainers"
    DEVELOPER = "developer", "Developers and maintainers"


TOP_LEVEL_DEFAULTS: Mapping[str, object] = {
    "enabled_git_access_protocol": GitProtocolChoice.ALL,
    "ip_allowlist": [],
    "enforce_ssh_certificates": False,
    "disable_ssh_keys": False,
    "verified_email_domains": [],
}
"""What only a top-level group can set, and what all others have; on a subgroup it would be accepted and enforced nowhere."""


def _level_or_null(column: str) -> models.CheckConstraint:
    is_known = models.Q(**{f"{column}__isnull": True}) | models.Q(**{f"{column}__in": BranchLevel.values})
    return models.CheckConstraint(condition=is_known, name=f"namespace_{column}_known")


class Namespace(Audited):
    """A group or a user's own namespace. Its full path is its route's; `root` is the top-level ancestor, itself when it is one."""

    kind = models.CharField(max_length=8, choices=NamespaceKind)
    name = models.CharField(max_length=255)
    path = models.CharField(max_length=255)
    owner = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="namespace")
    parent = models.ForeignKey("self", on_delete=models.PROTECT, null=True, blank=True, related_name="children")
    root = models.ForeignKey("self", on_delete=models.RESTRICT, null=True, related_name="descendants", editable=False)
    visibility = models.CharField(max_length=8, choices=Visibility, default=Visibility.PRIVATE)
    archived = models.BooleanField(default=False)
    project_creation_level = models.CharField(max_length=16, choices=ProjectCreationLevel, default=ProjectCreationLevel.MAINTAINER)
    default_branch_push = models.CharField(max_length=16, choices=BranchLevel, null=True, blank=True)  # noqa: DJ001  null means the instance's
    default_branch_merge = models.CharField(max_length=16, choices=BranchLevel, null=True, blank=True)  # noqa: DJ001  null means the instance's
    developer_can_initial_push = models.BooleanField(default=False)
    enabled_git_access_protocol = models.CharField(max_length=4, choices=GitProtocolChoice, default=GitProtocolChoice.ALL)
    ip_allowlist = StringListField(find_problem=range_problem, help_text="CIDR ranges, one a line; of top-level groups.")
    enforce_ssh_certificates = models.BooleanField(default=False)
    disable_ssh_keys = models.BooleanField(default=False, help_text="For the group's enterprise users.")
    verified_email_domains = StringListField(find_problem=domain_problem, help_text="One a line, such as example.com; of top-level groups.")
    storage_limit = models.BigIntegerField(
        default=0, validators=[MinValueValidator(0)], help_text="Bytes; 0 for none. Of top-level namespaces."
    )
    over_storage_limit = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    audit_ignored = frozenset({"root", "over_storage_limit"})
    audit_related = ("route",)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(kind__in=NamespaceKind.values), name="namespace_kind_known"),
            models.CheckConstraint(condition=models.Q(visibility__in=Visibility.values), name="namespace_visibility_known"),
            models.CheckConstraint(
                condition=models.Q(kind=NamespaceKind.USER, owner__isnull=False, parent__isnull=True)
                | models.Q(kind=NamespaceKind.GROUP, owner__isnull=True),
                name="namespace_user_has_owner_group_has_none",
            ),
            models.CheckConstraint(condition=~models.Q(parent=models.F("id")), name="namespace_not_its_own_parent"),
            models.CheckConstraint(
                condition=models.Q(project_creation_level__in=ProjectCreationLevel.values), name="namespace_creation_level_known"
            ),
            models.CheckConstraint(
                condition=models.Q(enabled_git_access_protocol__in=GitProtocolChoice.values), name="namespace_git_protocol_known"
            ),
            _level_or_null("default_branch_push"),
            _level_or_null("default_branch_merge"),
            models.CheckConstraint(condition=models.Q(storage_limit__gte=0), name="namespace_storage_limit_not_negative"),
            json_type_is("ip_allowlist", "array", name="namespace_ip_allowlist_is_list"),
            json_type_is("verified_email_domains", "array", name="namespace_verified_email_domains_is_list"),
        ]

    def __str__(self) -> str:
        return self.path

    def audit_name(self) -> str:
        """The full path."""
        if self.parent_id is None:
            return self.path
        route = getattr(self, "route", None)  # which is made after the row
        if route is not None:
            return str(route)
        return f"{self.parent.audit_name()}/{self.path}" if self.parent else self.path

    def audit_is_implied(self, verb: str) -> bool:
        """A user's own namespace is made with the user, whose event says so."""
        return verb == "created" and self.kind == NamespaceKind.USER

    def clean(self) -> None:
        """Refuse on anything but a top-level group what only those can set."""
        super().clean()
        if self.is_group and self.parent_id is None:
            return
        misplaced = [name for name, default in TOP_LEVEL_DEFAULTS.items() if getattr(self, name) != default]
        if self.parent_id is not None and self.storage_limit:
            misplaced.append("storage_limit")
        if misplaced:
            raise ValidationError(dict.fromkeys(misplaced, "is for top-level groups"))

    @property
    def is_group(self) -> bool:
        return self.kind == NamespaceKind.GROUP


class NamespaceLineage(models.Model):
    """One row for a namespace and each of its ancestors, itself included: what nested groups inherit is one index look-up away."""

    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="lineage")
    ancestor = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="lineage_below")
    depth = models.PositiveSmallIntegerField(help_text="0 for itself, 1 for the parent.")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["namespace", "ancestor"], name="namespace_lineage_unique")]

    def __str__(self) -> str:
        return f"{self.namespace_id} below {self.ancestor_id}"
