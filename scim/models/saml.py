"""Single sign-on of top-level groups, as far as provisioning needs it."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Lower

from internal_api.email_domains import domain_problem
from internal_api.model_fields import StringListField, json_type_is
from internal_api.models import Audited
from repositories.models import AccessLevel, Namespace


class SamlProvider(Audited):
    """A group's identity provider; without one the group has no SCIM."""

    group = models.OneToOneField(Namespace, on_delete=models.CASCADE, related_name="saml_provider")
    enabled = models.BooleanField(default=True)
    default_role = models.PositiveSmallIntegerField(choices=AccessLevel, default=AccessLevel.GUEST)
    allowed_email_domains = StringListField(find_problem=domain_problem, help_text="One a line, such as example.com; empty for any.")

    audit_related = ("group__route",)

    class Meta:
        verbose_name = "SAML provider"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(default_role__in=AccessLevel.values), name="saml_default_role_known"),
            json_type_is("allowed_email_domains", "array", name="saml_allowed_email_domains_is_list"),
        ]

    def __str__(self) -> str:
        return f"SAML of {self.group_id}"

    def audit_name(self) -> str:
        return self.group.audit_name()

    def clean(self) -> None:
        """Only top-level groups have an identity provider."""
        super().clean()
        group: Namespace | None = getattr(self, "group", None)  # a form that names none has said so itself
        if group is not None and (not group.is_group or group.parent_id is not None):
            raise ValidationError({"group": "is for top-level groups"})


class SamlIdentity(Audited):
    """A user as a group's single sign-on knows it; stays when the membership ends."""

    provider = models.ForeignKey(SamlProvider, on_delete=models.CASCADE, related_name="identities")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="saml_identities")
    extern_uid = models.CharField(max_length=255)

    audit_related = ("user", "provider__group__route")

    class Meta:
        verbose_name = "SAML identity"
        verbose_name_plural = "SAML identities"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["provider", "user"], name="saml_identity_user_unique"),
            models.UniqueConstraint("provider", Lower("extern_uid"), name="saml_identity_extern_uid_unique"),
        ]

    def __str__(self) -> str:
        return self.extern_uid

    def audit_name(self) -> str:
        return f"{self.provider.audit_name()}: {self.user.username}"
