"""Where identity providers provision to, and whom they have provisioned (contract: scim 2)."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone

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


class Identity(models.Model):
    """A user as an identity provider knows it; hidden once it was deleted, so that it can come back."""

    scope = models.ForeignKey(Scope, on_delete=models.CASCADE, related_name="identities")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="scim_identities")
    extern_uid = models.CharField(max_length=255)
    active = models.BooleanField(default=True)
    has_made_user = models.BooleanField(default=False, help_text="The account was made by this identity provider.")
    deleted_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

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
