"""Protected branches and tags, and who may push, merge or create under each rule."""

from typing import ClassVar

from django.conf import settings
from django.db import models

from accounts.models import SSHKey
from internal_api.models import Audited
from repositories.models.namespace import Namespace
from repositories.models.project import Project, place_name


class GrantKind(models.TextChoices):
    """What a grant is for."""

    PUSH = "push", "Push"
    MERGE = "merge", "Merge"
    CREATE = "create", "Create"


class ProtectedBranch(Audited):
    """A branch name, in which `*` stands for anything, that only some may change; of a project or of a top-level group."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_branches")
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_branches")
    name = models.CharField(max_length=1024)
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
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        return f"{place_name(self)}: {self.name}"


class ProtectedTag(Audited):
    """A tag name, in which `*` stands for anything, that only some may create and nobody may move."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="protected_tags")
    name = models.CharField(max_length=1024)

    audit_related = ("project__namespace__route",)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "name"], name="protected_tag_unique")]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        return f"{self.project.audit_name()}: {self.name}"


class ProtectedRefGrant(Audited):
    """One level of a rule: a role (0 no one, 30 developers, 40 maintainers, 60 administrators), a user, a group or a deploy key."""

    protected_branch = models.ForeignKey(ProtectedBranch, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    protected_tag = models.ForeignKey(ProtectedTag, on_delete=models.CASCADE, null=True, blank=True, related_name="grants")
    kind = models.CharField(max_length=8, choices=GrantKind)
    access_level = models.PositiveSmallIntegerField(null=True, blank=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_ref_grants")
    group = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_ref_grants")
    deploy_key = models.ForeignKey(SSHKey, on_delete=models.CASCADE, null=True, blank=True, related_name="protected_ref_grants")

    audit_related = ("protected_branch", "protected_tag", "user", "group", "deploy_key")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(protected_branch__isnull=False, protected_tag__isnull=True, kind__in=["push", "merge"])
                | models.Q(protected_branch__isnull=True, protected_tag__isnull=False, kind="create"),
                name="protected_ref_grant_one_rule",
            ),
            models.CheckConstraint(
                condition=models.Q(access_level__in=[0, 30, 40, 60], user__isnull=True, group__isnull=True, deploy_key__isnull=True)
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
