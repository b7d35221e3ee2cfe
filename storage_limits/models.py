"""Namespaces that their storage limit does not bind (contract: shell-endpoints 14.6)."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.core.validators import MaxLengthValidator
from django.db import models
from django.db.models.functions import Length
from django.utils import timezone

from internal_api.blank_names import not_blank, validate_not_blank
from internal_api.models import Audited
from repositories.models import Namespace

models.TextField.register_lookup(Length)
LONGEST_REASON = 255


class LimitExclusion(Audited):
    """One namespace at the top, and why."""

    namespace = models.OneToOneField(Namespace, on_delete=models.CASCADE, related_name="limit_exclusion")
    reason = models.TextField(max_length=LONGEST_REASON, validators=[MaxLengthValidator(LONGEST_REASON), validate_not_blank])
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    audit_related = ("namespace__route",)

    class Meta:
        verbose_name = "storage limit exclusion"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(reason__length__lte=LONGEST_REASON), name="limit_exclusion_reason_length"),
            not_blank("reason", name="limit_exclusion_reason_not_blank"),
        ]

    def __str__(self) -> str:
        return self.reason

    def audit_name(self) -> str:
        return self.namespace.audit_name()

    def clean(self) -> None:
        """Limits are those of namespaces at the top."""
        super().clean()
        namespace: Namespace | None = getattr(self, "namespace", None)  # a form that names none has said so itself
        if namespace is not None and namespace.parent_id is not None:
            raise ValidationError({"namespace": "must use a root namespace"})
