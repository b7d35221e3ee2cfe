"""Security policies of projects and groups, inherited downwards (contract: decisions 20)."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from internal_api.blank_names import not_blank, validate_not_blank
from internal_api.models import Audited
from internal_api.yaml_input import InvalidYAMLError, decode_mapping
from repositories.models import Namespace, Project


def validate_policy_yaml(content: str) -> None:
    """Raise ValidationError unless it is a mapping in YAML."""
    try:
        decode_mapping(content)
    except InvalidYAMLError as error:
        raise ValidationError(f"is not a mapping in YAML, such as actions and rules: it {error}") from None


class SecurityPolicy(Audited):
    """A scan execution policy; `yaml` holds its actions and rules."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="security_policies")
    group = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="security_policies")
    name = models.CharField(max_length=255, validators=[validate_not_blank])
    description = models.TextField(default="", blank=True)
    enabled = models.BooleanField(default=True)
    yaml = models.TextField(validators=[validate_policy_yaml])
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
                violation_error_message="Choose a project or a group, one of them.",
            ),
            not_blank("name", name="security_policy_name_not_blank"),
            not_blank("yaml", name="security_policy_yaml_not_blank"),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        place = self.project or self.group
        return f"{place.audit_name() if place else ''}: {self.name}"

    def clean(self) -> None:
        """Of namespaces only groups have policies."""
        super().clean()
        if self.group is not None and not self.group.is_group:
            raise ValidationError({"group": "Only groups have policies."})
