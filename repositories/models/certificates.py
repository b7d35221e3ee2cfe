"""Groups' SSH certificate authorities and the enterprise users they vouch for."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from internal_api.models import Audited
from repositories.models.namespace import Namespace


class GroupSSHCertificate(Audited):
    """A certificate authority of a top-level group."""

    group = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="ssh_certificates")
    title = models.CharField(max_length=255)
    key = models.TextField(max_length=5000)
    fingerprint = models.CharField(max_length=43, db_index=True)
    created_at = models.DateTimeField(default=timezone.now)

    audit_ignored = frozenset({"key"})  # the fingerprint tells which key it is
    audit_related = ("group__route",)

    class Meta:
        verbose_name = "group SSH certificate"
        constraints: ClassVar = [models.UniqueConstraint(fields=["group", "fingerprint"], name="group_ssh_certificate_unique")]

    def __str__(self) -> str:
        return self.title

    def audit_name(self) -> str:
        return f"{self.group.audit_name()}: {self.title} (SHA256:{self.fingerprint})"


class EnterpriseUser(Audited):
    """A user whose account belongs to a top-level group."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="enterprise")
    group = models.ForeignKey(Namespace, on_delete=models.CASCADE, related_name="enterprise_users")

    audit_related = ("user", "group__route")

    def __str__(self) -> str:
        return f"{self.user_id} of {self.group_id}"

    def audit_name(self) -> str:
        return f"{self.group.audit_name()}: {self.user.username}"
