"""Where identity providers provision to, and whom they have provisioned (contract: scim 2)."""

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

from internal_api.models import Audited
from repositories.models import Namespace


class Scope(models.Model):
    """A top-level group, or the instance where there is no group. The number of its identities is kept, since counting them is slow."""

    group = models.OneToOneField(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="scim_scope")
    identity_count = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(models.Value(1), condition=models.Q(group__isnull=True), name="scim_scope_one_instance"),
            models.CheckConstraint(condition=models.Q(identity_count__gte=0), name="scim_scope_count_not_negative"),
        ]

    def __str__(self) -> str:
        return self.group.path if self.group else "instance"

    @property
    def is_instance(self) -> bool:
        return self.group_id is None


class Identity(Audited):
    """A user as an identity provider knows it; hidden once it was deleted, so that it can come back."""

    scope = models.ForeignKey(Scope, on_delete=models.CASCADE, related_name="identities")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="scim_identities")
    extern_uid = models.CharField(max_length=255)
    active = models.BooleanField(default=True)
    has_made_user = models.BooleanField(default=False, help_text="The account was made by this identity provider.")
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    audit_related = ("user", "scope__group__route")

    class Meta:
        verbose_name = "SCIM identity"
        verbose_name_plural = "SCIM identities"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["scope", "user"], name="scim_identity_user_unique"),
            models.UniqueConstraint("scope", Lower("extern_uid"), name="scim_identity_extern_uid_unique"),
            models.CheckConstraint(condition=~models.Q(extern_uid=""), name="scim_identity_extern_uid_not_blank"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["scope", "id"], condition=models.Q(deleted_at__isnull=True), name="scim_identity_page"),
        ]

    def __str__(self) -> str:
        return self.extern_uid

    def audit_entity(self) -> tuple[str, int | None, str]:
        """The scope (contract: scim 1.7); the details say who was provisioned."""
        group = self.scope.group
        return ("Group", group.pk, group.audit_name()) if group else ("Instance", None, "")

    def audit_details(self) -> dict[str, Any]:
        return {"user": self.user.username, "user_id": self.user_id, "extern_uid": self.extern_uid}

    def audit_action(self, verb: str, changes: dict[str, Any]) -> str:
        """What provisioning calls it."""
        if verb != "changed":
            return super().audit_action(verb, changes)
        if "deleted_at" in changes:
            return "scim_identity_removed" if self.deleted_at else "scim_identity_revived"
        if "active" in changes:
            return "user_reprovisioned_by_scim" if self.active else "user_deprovisioned_by_scim"
        return "scim_identity_renamed" if "extern_uid" in changes else super().audit_action(verb, changes)
