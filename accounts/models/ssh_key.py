"""SSH keys: people's own and projects' deploy keys, in one table because ids and fingerprints are shared on the wire."""

from typing import Any, ClassVar

from django.db import models
from django.db.models.deletion import Collector
from django.utils import timezone

from accounts.models.user import User
from internal_api.blank_names import not_blank, validate_not_blank
from internal_api.models import Audited


class KeyKind(models.TextChoices):
    """Whose key it is; the values are `gl_key_type` on the wire (contract: allowed 6)."""

    USER = "key", "User's key"
    DEPLOY = "deploy_key", "Deploy key"


class UsageType(models.TextChoices):
    """What a key may be used for; a signing key is invisible to Git access (contract: allowed 2.4)."""

    AUTH_AND_SIGNING = "auth_and_signing", "Authentication and signing"
    AUTH = "auth", "Authentication"
    SIGNING = "signing", "Signing"


def keep_deploy_keys(collector: Collector, field: "models.ForeignKey[Any, Any]", keys: "models.QuerySet[SSHKey]", using: str) -> None:
    """`on_delete` of a key's user: the user's own keys are deleted too, deploy keys lose their owner.

    Projects rely on their deploy keys, whoever added them. Without an owner such a key acts as the
    ghost user, which `accounts.services.users` makes when it is first needed (contract: decisions 10).
    """
    models.SET_NULL(collector, field, keys.filter(kind=KeyKind.DEPLOY), using)
    models.CASCADE(collector, field, keys.exclude(kind=KeyKind.DEPLOY), using)


class SSHKey(Audited):
    """A public key. `key` is the normalised line, type and base64, without the comment."""

    user = models.ForeignKey(User, on_delete=keep_deploy_keys, null=True, blank=True, related_name="ssh_keys")
    kind = models.CharField(max_length=16, choices=KeyKind, default=KeyKind.USER)
    title = models.CharField(max_length=255, validators=[validate_not_blank])
    key = models.TextField(max_length=5000)
    key_type = models.CharField(max_length=64)
    bits = models.PositiveIntegerField()
    fingerprint = models.CharField(max_length=43, unique=True, help_text="Base64 of the SHA-256 digest, without padding.")
    fingerprint_md5 = models.CharField(max_length=47, db_index=True)
    usage_type = models.CharField(max_length=16, choices=UsageType, default=UsageType.AUTH_AND_SIGNING)
    expires_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    audit_ignored = frozenset({"key", "fingerprint_md5"})  # the fingerprint tells which key it is
    audit_related = ("user",)

    class Meta:
        verbose_name = "SSH key"
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(kind__in=KeyKind.values), name="ssh_key_kind_known"),
            not_blank("title", name="ssh_key_title_not_blank"),
            models.CheckConstraint(condition=models.Q(usage_type__in=UsageType.values), name="ssh_key_usage_known"),
            models.CheckConstraint(condition=models.Q(kind=KeyKind.DEPLOY) | models.Q(user__isnull=False), name="ssh_key_user_has_owner"),
        ]

    def __str__(self) -> str:
        return f"{self.title} (SHA256:{self.fingerprint})"

    def audit_name(self) -> str:
        return f"{self.user.username}: {self}" if self.user else str(self)
