"""What happened, who did it and when. Plain ids instead of foreign keys: an event outlives what it speaks of."""

from typing import ClassVar

from django.db import models
from django.utils import timezone


class AuditEvent(models.Model):
    """One event, such as a Git operation or a provisioning."""

    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=64, db_index=True)
    author_id = models.BigIntegerField(null=True, blank=True)
    author_name = models.CharField(max_length=255, default="", blank=True)
    entity_type = models.CharField(max_length=64, default="", blank=True)
    entity_id = models.BigIntegerField(null=True, blank=True)
    entity_path = models.CharField(max_length=1024, default="", blank=True)
    ip_address = models.CharField(max_length=64, default="", blank=True)
    correlation_id = models.CharField(max_length=255, default="", blank=True)
    details = models.JSONField(default=dict, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["entity_type", "entity_id"])]

    def __str__(self) -> str:
        return f"{self.action} {self.entity_path}"
