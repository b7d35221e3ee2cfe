"""What scanners in clusters have found (contract: kubernetes-agent 5 and 7). A vulnerability and its one finding are one row here."""

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from internal_api.stored_json import RecordedJSONField, ReportsUnreadableJSON
from kubernetes_agent.models.agents import Agent
from repositories.models import Project


class Severity(models.IntegerChoices):
    """How bad it is, by GitLab's numbers."""

    INFO = 1, "Info"
    UNKNOWN = 2, "Unknown"
    LOW = 4, "Low"
    MEDIUM = 5, "Medium"
    HIGH = 6, "High"
    CRITICAL = 7, "Critical"


class VulnerabilityState(models.IntegerChoices):
    """What has become of it, by GitLab's numbers."""

    DETECTED = 1, "Detected"
    DISMISSED = 2, "Dismissed"
    RESOLVED = 3, "Resolved"
    CONFIRMED = 4, "Confirmed"


class Scanner(models.Model):
    """A scanner as a project knows it."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    external_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    vendor = models.CharField(max_length=255, default="GitLab")

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "external_id"], name="scanner_unique")]

    def __str__(self) -> str:
        return self.name


class Identifier(models.Model):
    """A name under which a weakness is known, such as CVE-123-4567."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="+")
    fingerprint = models.CharField(max_length=40, help_text="SHA-1 of type and id.")
    external_type = models.CharField(max_length=255)
    external_id = models.CharField(max_length=255)
    name = models.CharField(max_length=255)
    url = models.CharField(max_length=2048, default="", blank=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["project", "fingerprint"], name="identifier_unique")]

    def __str__(self) -> str:
        return self.name


class Vulnerability(ReportsUnreadableJSON):
    """A weakness that an agent has reported. The UUID follows from what and where it is, so a report can be repeated."""

    uuid = models.CharField(max_length=36, primary_key=True)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="vulnerabilities")
    agent = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="vulnerabilities")
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    scanner = models.ForeignKey(Scanner, on_delete=models.RESTRICT, related_name="vulnerabilities")
    identifiers = models.ManyToManyField(Identifier, related_name="vulnerabilities")
    name = models.TextField()
    title = models.CharField(max_length=255)
    severity = models.PositiveSmallIntegerField(choices=Severity)
    state = models.PositiveSmallIntegerField(choices=VulnerabilityState, default=VulnerabilityState.DETECTED)
    message = models.TextField(default="", blank=True)
    description = models.TextField(default="", blank=True)
    solution = models.TextField(default="", blank=True)
    location = RecordedJSONField(default=dict)
    links = RecordedJSONField(default=list)
    resolved_on_default_branch = models.BooleanField(default=False)
    detected_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "vulnerabilities"
        indexes: ClassVar = [
            models.Index(fields=["agent", "state"]),
            models.Index(fields=["project", "severity", "state"]),
        ]
        constraints: ClassVar = [
            models.CheckConstraint(condition=models.Q(severity__in=Severity.values), name="vulnerability_severity_known"),
            models.CheckConstraint(condition=models.Q(state__in=VulnerabilityState.values), name="vulnerability_state_known"),
        ]

    def __str__(self) -> str:
        return self.title


class StateTransition(models.Model):
    """A vulnerability has come back."""

    vulnerability = models.ForeignKey(Vulnerability, on_delete=models.CASCADE, related_name="state_transitions")
    from_state = models.PositiveSmallIntegerField(choices=VulnerabilityState)
    to_state = models.PositiveSmallIntegerField(choices=VulnerabilityState)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.from_state} -> {self.to_state}"


class DetectionTransition(models.Model):
    """A scan has not found a vulnerability any more."""

    vulnerability = models.ForeignKey(Vulnerability, on_delete=models.CASCADE, related_name="detection_transitions")
    detected = models.BooleanField(default=False)
    created_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.vulnerability_id}: {self.detected}"
