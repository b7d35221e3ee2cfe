"""Protected branches and tags, and who may push, merge or create under each rule."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from accounts.models import SSHKey
from internal_api.blank_names import not_blank
from internal_api.branch_names import can_match_a_name
from internal_api.models import Audited
from repositories.models.namespace import Namespace
from repositories.models.project import Project, place_name


class RuleLevel(models.IntegerChoices):
    """The roles that a rule can name."""

    NO_ONE = 0, "No one"
    DEVELOPER = 30, "Developers and maintainers"
    MAINTAINER = 40, "Maintainers"
    ADMIN = 60, "Administrators"


class GrantKind(models.TextChoices):
    """What a grant is for."""

    PUSH = "push", "Push"
    MERGE = "merge", "Merge"
    CREATE = "create", "Create"


def validate_ref_pattern(pattern: str) -> None:
    """Raise ValidationError for a name or pattern that no branch or tag can match, so that it would protect nothing."""
    if not can_match_a_name(pattern):
        raise ValidationError(
            f"{pattern!r} can match no name: Git's names have no white space or control characters, "
            "none of ~ ^ : ? [ and backslash, and no '..', '//' or '@{'."
        )


class ProtectedBranch(Audited):
    """A branch name, in which `*` stands for anything, that only some may change; of a project or of a top-level group."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_branches")
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_branches")
    name = models.CharField(max_length=1024, validators=[validate_ref_pattern], help_text="`*` stands for anything.")
    allow_force_push = models.BooleanField(default=False)

    audit_related = ("namespace__route", "project__namespace__route")

    class Meta:
        verbose_name_plural = "protected branches"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="protected_branch_of_project_unique"),
            models.UniqueConstraint(fields=["namespace", "name"], name="protected_branch_of_namespace_unique"),
            models.CheckConstraint(
                condition=models.Q(namespace__isnull=False, project__isnull=True) | models.Q(namespace__isnull=True, project__isnull=False),
                name="protected_branch_one_source",
                violation_error_message="Choose a project or a top-level group, one of them.",
            ),
            not_blank("name", name="protected_branch_name_not_blank"),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        return f"{place_name(self)}: {self.name}"

    def clean(self) -> None:
        """Of groups only top-level ones have rules."""
        super().clean()
        group = self.namespace
        if group is not None and (group.parent_id is not None or not group.is_group):
            raise ValidationError({"namespace": "Only top-level groups protect branches."})


class ProtectedTag(Audited):
    """A tag name, in which `*` stands for anything, that only some may create and nobody may move."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="protected_tags")
    name = models.CharField(max_length=1024, validators=[validate_ref_pattern], help_text="`*` stands for anything.")

    audit_related = ("project__namespace__route",)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="protected_tag_unique"),
            not_blank("name", name="protected_tag_name_not_blank"),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        return f"{self.project.audit_name()}: {self.name}"


class ProtectedRefGrant(Audited):
    """One level of a rule: a role (0 no one, 30 developers, 40 maintainers, 60 administrators), a user, a group or a deploy key."""

    protected_branch = models.ForeignKey(ProtectedBranch, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    protected_tag = models.ForeignKey(ProtectedTag, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    kind = models.CharField(max_length=8, choices=GrantKind)
    access_level = models.PositiveSmallIntegerField(choices=RuleLevel, null=True, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_ref_grants")
    group = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_ref_grants")
    deploy_key = models.ForeignKey(SSHKey, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_ref_grants")

    audit_related = (
        "protected_branch__namespace__route",
        "protected_branch__project__namespace__route",
        "protected_tag__project__namespace__route",
        "user",
        "group",
        "deploy_key",
    )

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(protected_branch__isnull=False, protected_tag__isnull=True, kind__in=["push", "merge"])
                | models.Q(protected_branch__isnull=True, protected_tag__isnull=False, kind="create"),
                name="protected_ref_grant_one_rule",
            ),
            models.CheckConstraint(
                condition=models.Q(access_level__in=RuleLevel.values, user__isnull=True, group__isnull=True, deploy_key__isnull=True)
                | models.Q(access_level__isnull=True, user__isnull=False, group__isnull=True, deploy_key__isnull=True)
                | models.Q(access_level__isnull=True, user__isnull=True, group__isnull=False, deploy_key__isnull=True)
                | models.Q(access_level__isnull=True, user__isnull=True, group__isnull=True, deploy_key__isnull=False),
                name="protected_ref_grant_one_grantee",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} under rule {self.protected_branch_id or self.protected_tag_id}"

    def audit_name(self) -> str:
        rule = self.protected_branch or self.protected_tag
        grantee = self.user or self.group or self.deploy_key
        return f"{rule.audit_name() if rule else ''}, {self.kind}: {self.access_level if grantee is None else grantee}"

    def clean(self) -> None:
        """A rule on branches is for pushing and merging, one on tags for creating; each level names one of whom it lets through."""
        super().clean()
        is_for_tags = self.protected_tag is not None
        if self.kind and (self.kind == GrantKind.CREATE) != is_for_tags:
            purpose = "A tag's level is for creating." if is_for_tags else "A branch's levels are for pushing and merging."
            raise ValidationError({"kind": purpose})
        if sum(one is not None for one in (self.access_level, self.user_id, self.group_id, self.deploy_key_id)) != 1:
            raise ValidationError("Choose an access level, a user, a group or a deploy key, one of them.")
