"""Whom to tell of pushes, and what became of each telling."""

import uuid
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.utils import timezone

from internal_api.encryption import EncryptedTextField
from internal_api.masking import masked
from internal_api.models import Audited
from internal_api.outgoing import LONGEST_URL, OutgoingError, parse_target
from internal_api.stored_json import RecordedJSONField, ReportsUnreadableJSON
from repositories.models.namespace import Namespace
from repositories.models.project import Project, place_name
from repositories.models.push import PushEvent

WEBHOOK_EVENTS = {"push": "push_events", "tag_push": "tag_push_events"}
"""What a webhook may ask for, and the column that says so."""


def validate_target(url: str) -> None:
    """What an administrator may enter as an address. Raises ValidationError."""
    try:
        parse_target(url)
    except OutgoingError as error:
        raise ValidationError(str(error)) from error


def validate_header_text(text: str) -> None:
    """Raise ValidationError for what cannot travel in a header."""
    if not (text.isascii() and text.isprintable()):
        raise ValidationError("must be made of plain letters, digits and signs, since it travels in a header")


class Webhook(Audited):
    """An address that is told of pushes: of one project, of all in a group and below, or, if it says so, of all there are.

    `failures` counts those in a row. After a few of them deliveries pause until `paused_until`; after many the webhook is
    switched off, and `switched_off_reason` says why.
    """

    namespace = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, blank=True, related_name="webhooks")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, blank=True, related_name="webhooks")
    instance = models.BooleanField(
        "whole instance", default=False, help_text="Told of every push to every project, private ones included (GitLab's system hook)."
    )
    url = models.CharField(max_length=LONGEST_URL, validators=[validate_target])
    token = EncryptedTextField(null=True, blank=True, validators=[validate_header_text])
    push_events = models.BooleanField(default=True, help_text="Branches.")
    tag_push_events = models.BooleanField(default=True, help_text="Tags.")
    active = models.BooleanField(default=True)
    failures = models.PositiveIntegerField(default=0, editable=False)
    paused_until = models.DateTimeField(null=True, blank=True, editable=False)
    switched_off_reason = models.CharField(max_length=255, default="", blank=True, editable=False)
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    audit_ignored = frozenset({"failures", "paused_until"})
    audit_accompanying = frozenset({"switched_off_reason"})
    audit_related = ("namespace__route", "project__namespace__route")

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(namespace__isnull=False, project__isnull=True, instance=False)
                | models.Q(namespace__isnull=True, project__isnull=False, instance=False)
                | models.Q(namespace__isnull=True, project__isnull=True, instance=True),
                name="webhook_of_one_place",
                violation_error_message="Choose a project, a group or the whole instance, one of them.",
            ),
            models.UniqueConstraint(
                fields=["namespace", "url"], condition=models.Q(namespace__isnull=False), name="webhook_unique_in_group"
            ),
            models.UniqueConstraint(fields=["project", "url"], condition=models.Q(project__isnull=False), name="webhook_unique_in_project"),
            models.UniqueConstraint(fields=["url"], condition=models.Q(instance=True), name="webhook_unique_in_instance"),
        ]
        indexes: ClassVar = [models.Index(fields=["id"], condition=models.Q(active=False), name="webhook_inactive")]

    def __str__(self) -> str:
        return self.url

    def audit_name(self) -> str:
        return f"{place_name(self)}: {masked(self.url)}"

    def audit_action(self, verb: str, changes: dict[str, Any]) -> str:
        """A webhook that failed too often is switched off."""
        switched_off = changes.get("active") == (True, False) and self.switched_off_reason
        return "webhook_switched_off" if switched_off else super().audit_action(verb, changes)


class DeliveryLane(models.Model):
    """The deliveries of one project to one webhook: one worker at a time delivers them, oldest first.

    `leased_until` is the end of its turn. `wake_at` is when the lane should be looked at again, whatever happens until then.
    """

    webhook = models.ForeignKey(Webhook, on_delete=models.CASCADE, related_name="lanes")
    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="delivery_lanes")
    lease = models.UUIDField(null=True)
    leased_until = models.DateTimeField(null=True)
    wake_at = models.DateTimeField(null=True, db_index=True)

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["webhook", "project"], name="delivery_lane_unique")]

    def __str__(self) -> str:
        return f"project {self.project_id} to webhook {self.webhook_id}"


class DeliveryState(models.TextChoices):
    """What became of a delivery."""

    WAITING = "waiting", "Waiting"
    DELIVERED = "delivered", "Delivered"
    FAILED = "failed", "Given up"


class WebhookDelivery(ReportsUnreadableJSON):
    """One event for one webhook, and the last attempt at it. `position` is its place among those of the same push."""

    lane = models.ForeignKey(DeliveryLane, on_delete=models.CASCADE, related_name="deliveries")
    push_event = models.ForeignKey(PushEvent, on_delete=models.CASCADE, related_name="deliveries")
    position = models.PositiveIntegerField()
    event = models.CharField(max_length=32)
    ref = models.CharField(max_length=1024, default="")
    payload = RecordedJSONField()
    idempotency_key = models.UUIDField(default=uuid.uuid4, unique=True)
    state = models.CharField(max_length=16, choices=DeliveryState, default=DeliveryState.WAITING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    attempted_at = models.DateTimeField(null=True)
    duration_ms = models.PositiveIntegerField(null=True)
    response_status = models.PositiveIntegerField(null=True)
    response_headers = RecordedJSONField(default=dict)
    response_body = models.TextField(default="")
    error = models.CharField(max_length=512, default="")
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    # The push's: with defaults of the database, since the former release goes on writing rows during an upgrade.
    correlation_id = models.CharField("request id", max_length=255, default="", db_default="")
    traceparent = models.CharField(max_length=55, default="", db_default="")

    class Meta:
        verbose_name_plural = "webhook deliveries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["lane", "push_event", "position"], name="webhook_delivery_once"),
            models.CheckConstraint(condition=models.Q(state__in=DeliveryState.values), name="webhook_delivery_state_known"),
        ]
        indexes: ClassVar = [
            models.Index(fields=["lane", "id"], condition=models.Q(state=DeliveryState.WAITING), name="webhook_delivery_waiting")
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.ref}".strip()
