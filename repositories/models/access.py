"""Who has which role where: members, groups a group or project is shared with, and deploy keys' grants."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from accounts.models import KeyKind, SSHKey
from internal_api.models import Audited
from repositories.models.namespace import Namespace
from repositories.models.project import Project, place_name


class AccessLevel(models.IntegerChoices):
    """Roles by the numbers GitLab gives them (contract: allowed 9)."""

    MINIMAL = 5, "Minimal"
    GUEST = 10, "Guest"
    PLANNER = 15, "Planner"
    REPORTER = 20, "Reporter"
    SECURITY_MANAGER = 25, "Security manager"
    DEVELOPER = 30, "Developer"
    MAINTAINER = 40, "Maintainer"
    OWNER = 50, "Owner"


class MemberState(models.TextChoices):
    """Whether a membership counts yet."""

    ACTIVE = "active", "Active"
    AWAITING = "awaiting", "Awaiting"


_ONE_SOURCE = models.Q(namespace__isnull=False, project__isnull=True) | models.Q(namespace__isnull=True, project__isnull=False)


class Member(Audited):
    """A user's role in a group, and so in all below it, or in one project."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships")
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="members")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="members")
    access_level = models.PositiveSmallIntegerField(choices=AccessLevel)
    state = models.CharField(max_length=8, choices=MemberState, default=MemberState.ACTIVE)
    expires_at = models.DateField(null=True, blank=True, help_text="The first day on which the membership no longer counts.")
    created_at = models.DateTimeField(default=timezone.now)

    audit_related = ("user", "namespace__route", "project__namespace__route")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "namespace"], name="member_of_namespace_unique"),
            models.UniqueConstraint(fields=["user", "project"], name="member_of_project_unique"),
            models.CheckConstraint(condition=_ONE_SOURCE, name="member_one_source"),
            models.CheckConstraint(condition=models.Q(access_level__in=AccessLevel.values), name="member_access_level_known"),
            models.CheckConstraint(condition=models.Q(state__in=MemberState.values), name="member_state_known"),
        ]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.get_access_level_display()}"

    def audit_name(self) -> str:
        return f"{place_name(self)}: {self.user.username}"

    def clean(self) -> None:
        """A user's own namespace has no members."""
        super().clean()
        if self.namespace is not None and not self.namespace.is_group:
            raise ValidationError({"namespace": "A user's own namespace has no members."})


class GroupLink(Audited):
    """A group invited to another group or to a project: its members get their own role there, at most this one."""

    group = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="invitations")
    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="shared_with")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="shared_with")
    access_level = models.PositiveSmallIntegerField(choices=AccessLevel)

    audit_related = ("group__route", "namespace__route", "project__namespace__route")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["namespace", "group"], name="group_link_to_namespace_unique"),
            models.UniqueConstraint(fields=["project", "group"], name="group_link_to_project_unique"),
            models.CheckConstraint(condition=_ONE_SOURCE, name="group_link_one_source"),
            models.CheckConstraint(condition=models.Q(access_level__in=AccessLevel.values), name="group_link_access_level_known"),
        ]

    def __str__(self) -> str:
        return f"{self.group_id}: {self.get_access_level_display()}"

    def audit_name(self) -> str:
        return f"{place_name(self)}: {self.group.audit_name()}"

    def clean(self) -> None:
        """Only another group can be invited."""
        super().clean()
        group: Namespace | None = getattr(self, "group", None)  # a form that names none has said so itself
        if group is not None and (not group.is_group or group == self.namespace):
            raise ValidationError({"group": "Only another group can be invited."})


class DeployKeyGrant(Audited):
    """A deploy key enabled for a project."""

    key = models.ForeignKey(SSHKey, on_delete=models.CASCADE, related_name="grants")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="deploy_key_grants")
    can_push = models.BooleanField(default=False)

    audit_related = ("key", "project__namespace__route")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["key", "project"], name="deploy_key_grant_unique")]

    def __str__(self) -> str:
        return f"{self.key_id} for {self.project_id}"

    def audit_name(self) -> str:
        return f"{self.project.audit_name()}: {self.key}"

    def clean(self) -> None:
        """A deploy key is a key of its own."""
        super().clean()
        key: SSHKey | None = getattr(self, "key", None)  # likewise
        if key is not None and key.kind != KeyKind.DEPLOY:
            raise ValidationError({"key": "The key belongs to a user; a deploy key is a key of its own."})
