"""Keys with which programs report errors of a project."""

from typing import ClassVar

from django.db import models

from internal_api.blank_names import not_blank, validate_not_blank
from internal_api.models import Audited
from repositories.models.project import Project


class ErrorTrackingKey(Audited):
    """A public key of a project's error tracking; public, so it is kept as it is."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="error_tracking_keys")
    public_key = models.CharField(max_length=255, validators=[validate_not_blank])
    active = models.BooleanField(default=True)

    audit_related = ("project__namespace__route",)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "public_key"], name="error_tracking_key_unique"),
            not_blank("public_key", name="error_tracking_key_not_blank"),
        ]

    def __str__(self) -> str:
        return self.public_key

    def audit_name(self) -> str:
        return f"{self.project.audit_name()}: error tracking key {self.pk}"
