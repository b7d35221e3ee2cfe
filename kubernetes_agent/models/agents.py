"""Agents, the tokens with which they sign in, and what happened to them (contract: kubernetes-agent 7)."""

import base64
import binascii
from typing import Any, ClassVar

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.utils import timezone

from internal_api.blank_names import not_blank, validate_not_blank
from internal_api.encryption import EncryptedTextField
from internal_api.host_names import host_of
from internal_api.masking import masked
from internal_api.models import Audited
from repositories.models import Project


class Agent(Audited):
    """An agent of a cluster. Its configuration is in its project's repository; `created_by` answers for what it reports."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="agents")
    name = models.CharField(
        max_length=63,
        validators=[RegexValidator(r"\A[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z", "An agent's name has small letters, digits and '-'.")],
    )
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    has_vulnerabilities = models.BooleanField(default=False)
    agent_version = models.CharField(max_length=255, default="", blank=True)
    kubernetes_version = models.CharField(max_length=255, default="", blank=True)
    architecture = models.CharField(max_length=255, default="", blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(auto_now=True)

    audit_ignored = frozenset({"has_vulnerabilities", "agent_version", "kubernetes_version", "architecture"})
    audit_related = ("project__namespace__route",)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "name"], name="agent_name_unique"),
            not_blank("name", name="agent_name_not_blank"),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        return f"{self.project.audit_name()}: {self.name}"


class TokenStatus(models.TextChoices):
    """Whether a token opens anything."""

    ACTIVE = "active", "Active"
    REVOKED = "revoked", "Revoked"


class AgentToken(Audited):
    """A token of an agent, as a digest; shown once when it is made."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="tokens")
    name = models.CharField(max_length=255, validators=[validate_not_blank])
    description = models.CharField(max_length=1024, default="", blank=True)
    token_digest = models.CharField(max_length=64, unique=True, editable=False)
    status = models.CharField(max_length=8, choices=TokenStatus, default=TokenStatus.ACTIVE)
    last_used_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    audit_related = ("agent__project__namespace__route",)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["agent", "status", "-last_used_at"])]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(status__in=TokenStatus.values), name="agent_token_status_known"),
            not_blank("name", name="agent_token_name_not_blank"),
        ]

    def __str__(self) -> str:
        return self.name

    def audit_name(self) -> str:
        return f"{self.agent.audit_name()}/{self.name}"

    def audit_action(self, verb: str, changes: dict[str, Any]) -> str:
        revoked = verb == "changed" and changes.get("status") == (TokenStatus.ACTIVE, TokenStatus.REVOKED)
        return "agent_token_revoked" if revoked else super().audit_action(verb, changes)


class AgentEventKind(models.TextChoices):
    """What happened to an agent."""

    TOKEN_CREATED = "token_created", "Token created"
    TOKEN_REVOKED = "token_revoked", "Token revoked"
    AGENT_CONNECTED = "agent_connected", "Agent connected"


class AgentEvent(models.Model):
    """One thing that happened; the newest 200 of each agent are kept."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="events")
    token = models.ForeignKey(AgentToken, on_delete=models.SET_NULL, null=True, related_name="events")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    kind = models.CharField(max_length=32, choices=AgentEventKind)
    level = models.CharField(max_length=8, default="info")
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["agent", "-id"])]

    def __str__(self) -> str:
        return self.kind


def validate_agent_url(url: str) -> None:
    """Raise ValidationError unless kas can call it."""
    if not url.startswith(("grpc://", "grpcs://")) or host_of(url) is None or not url.isprintable() or " " in url:
        raise ValidationError("is not a grpc:// or grpcs:// address")


def validate_base64(text: str) -> None:
    """Raise ValidationError unless it is base64."""
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValidationError("is not base64") from None


class ReceptiveConfiguration(Audited):
    """How kas reaches an agent that it calls, instead of being called (contract: kubernetes-agent 2.7)."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="receptive")
    url = models.CharField(max_length=2048, validators=[validate_agent_url])
    tls_host = models.CharField(max_length=2048, null=True, blank=True)  # noqa: DJ001  null travels as null
    ca_cert = models.TextField(max_length=16384, null=True, blank=True)  # noqa: DJ001  null travels as null
    private_key = EncryptedTextField(null=True, blank=True, validators=[validate_base64], help_text="Base64 of a raw Ed25519 key.")
    client_cert = models.TextField(max_length=16384, null=True, blank=True)  # noqa: DJ001  null travels as null
    client_key = EncryptedTextField(null=True, blank=True)
    active = models.BooleanField(default=True)

    audit_related = ("agent__project__namespace__route",)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(url__startswith="grpc://") | models.Q(url__startswith="grpcs://"), name="receptive_url_has_scheme"
            )
        ]

    def __str__(self) -> str:
        return self.url

    def audit_name(self) -> str:
        return f"{self.agent.audit_name()}: {masked(self.url)}"

    def clean(self) -> None:
        """Kas proves itself by a key of its own or by a client certificate with its key."""
        super().clean()
        if bool(self.client_cert) != bool(self.client_key):
            raise ValidationError({"client_cert": "and client_key go together"})
        if bool(self.private_key) == bool(self.client_key):
            raise ValidationError({"private_key": "or client_cert and client_key are needed, and not both"})
