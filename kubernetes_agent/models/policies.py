"""Security policies of projects and groups, inherited downwards (contract: decisions 20)."""

from typing import ClassVar

from django.db import models
from django.utils import timezone

from internal_api.models import Audited
from repositories.models import Namespace, Project


class SecurityPolicy(Audited):
    """A scan execution policy; `yaml` holds its actions and rules."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="security_policies")
    group = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="security_policies")
    name = models.CharField(max_length=255)
    description = models.TextField(default="", blank=True)
    enabled = models.BooleanField(default=True)
    yaml = models.TextField()
    updated_at = models.DateTimeField(default=timezone.now)

    audit_related = ("project__namespace__route", "group__route")

    class Meta:
        verbose_name_plural = "security policies"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="security_policy_of_project_unique"),
            models.UniqueConstraint(fields=["group", "name"], name="security_policy_of_group_unique"),
            models.CheckConstraint(
                condition=models.Q(project__isnull=False, group__isnull=True) | models.Q(project__isnull=True, group__isnull=False),
                name="security_policy_one_place",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        place = self.project or self.group
        return f"{place.audit_name() if place else ''}: {self.name}"
