"""Groups of the instance's identity provider, and the groups here that they stand for (contract: scim 1.10)."""

from typing import ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from internal_api.blank_names import not_blank, validate_not_blank
from internal_api.models import Audited
from repositories.models import AccessLevel, Namespace


class SamlGroupLink(Audited):
    """Members of the identity provider's group of that name have this role in a group here."""

    group = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="saml_group_links")
    name = models.CharField(max_length=255, validators=[validate_not_blank])
    access_level = models.PositiveSmallIntegerField(choices=AccessLevel)
    scim_group_uid = models.CharField(max_length=36, default="", blank=True, db_index=True, help_text="Given by SCIM.")

    audit_ignored = frozenset({"scim_group_uid"})  # the events scim_group_linked and scim_group_unlinked tell of it
    audit_related = ("group__route",)

    class Meta:
        verbose_name = "SAML group link"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "name", "access_level"], name="saml_group_link_unique"),
            models.CheckConstraint(condition=models.Q(access_level__in=AccessLevel.values), name="saml_group_link_access_level_known"),
            not_blank("name", name="saml_group_link_name_not_blank"),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        return f"{self.group.audit_name()}: {self.name}"

    def clean(self) -> None:
        """Roles are given in groups."""
        super().clean()
        group: Namespace | None = getattr(self, "group", None)  # a form that names none has said so itself
        if group is not None and not group.is_group:
            raise ValidationError({"group": "A user's own namespace has no members."})


class GroupMembership(models.Model):
    """SCIM has made somebody a member of a group of the identity provider."""

    scim_group_uid = models.CharField(max_length=36)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="scim_group_memberships")

    class Meta:
        verbose_name = "SCIM group membership"
        constraints: ClassVar = [models.UniqueConstraint(fields=["scim_group_uid", "user"], name="scim_group_membership_unique")]

    def __str__(self) -> str:
        return f"{self.user_id} in {self.scim_group_uid}"
