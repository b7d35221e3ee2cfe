"""What Git operations leave behind: pushes that happened, and a bounded table of those that were refused."""

import zlib
from collections.abc import Iterable
from typing import ClassVar

from django.conf import settings
from django.db import models
from django.utils import timezone

from internal_api.stored_json import RecordedJSONField, ReportsUnreadableJSON
from repositories.models.project import Project
from repositories.policy import Change


class PushEvent(ReportsUnreadableJSON):
    """One push, once: `dedup_key` is null where the caller sent no request id."""

    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="push_events")
    gl_repository = models.CharField(max_length=255)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="push_events")
    key_id = models.BigIntegerField(null=True)
    identifier = models.CharField(max_length=255, default="")
    changes = RecordedJSONField(default=list)
    push_options = RecordedJSONField(default=dict)
    gitaly_context = RecordedJSONField(default=dict)
    correlation_id = models.CharField(max_length=255, default="")
    traceparent = models.CharField(max_length=55, default="", db_default="", help_text="The trace of the report (W3C Trace Context).")
    dedup_key = models.CharField(max_length=64, null=True, unique=True)  # noqa: DJ001  null means that every call is a new push
    response = RecordedJSONField(default=dict)
    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    followed_at = models.DateTimeField(null=True, help_text="When what follows a push was done.")
    allowed_at = models.DateTimeField(null=True, help_text="When the push was allowed.")
    recovered = models.BooleanField(default=False, help_text="Gitaly did not report the push; its refs were found to have moved.")
    reported_late_at = models.DateTimeField(null=True, help_text="When the report of a recovered push arrived after all.")

    class Meta:
        indexes: ClassVar = [
            models.Index(fields=["project", "id"], condition=models.Q(recovered=True), name="push_event_recovered"),
            models.Index(fields=["project", "-id"]),
            models.Index(fields=["project", "id"], condition=models.Q(followed_at__isnull=True), name="push_event_not_followed"),
        ]

    def __str__(self) -> str:
        return f"push to {self.gl_repository}"


class PendingPush(models.Model):
    """A push that was allowed and is not reported yet (contract: decisions 16b).

    `digest` is that of its report, `due_at` when Gitaly is asked whether the refs have moved, `asked_at` when it was asked last.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="pending_pushes")
    gl_repository = models.CharField(max_length=255)
    user_id = models.BigIntegerField(null=True)
    key_id = models.BigIntegerField(null=True)
    request_id = models.CharField(max_length=255, default="", blank=True)
    digest = models.CharField(max_length=64, db_index=True)
    packed_changes = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(db_index=True)
    asked_at = models.DateTimeField(null=True, help_text="When Gitaly was last asked whether the refs have moved.")

    class Meta:
        verbose_name_plural = "pending pushes"

    def __str__(self) -> str:
        return f"push to {self.gl_repository}"

    @staticmethod
    def pack(changes: Iterable[Change]) -> bytes:
        """The changes as they are kept: a push may be of 100,000 refs."""
        lines = "\n".join(f"{change.oldrev} {change.newrev} {change.ref}" for change in changes)
        return zlib.compress(lines.encode("utf-8", "surrogatepass"), 1)

    @property
    def changes(self) -> list[Change]:
        lines = zlib.decompress(bytes(self.packed_changes)).decode("utf-8", "surrogatepass")
        return [Change(*line.split(" ", 2)) for line in lines.split("\n")]


class Refusal(models.Model):
    """A recent refusal of a known actor; trimmed by clean-up."""

    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    user_id = models.BigIntegerField(null=True)
    username = models.CharField(max_length=255, default="")
    key_id = models.BigIntegerField(null=True)
    project_id = models.BigIntegerField(null=True)
    project_path = models.CharField(max_length=1024, default="")
    action = models.CharField(max_length=32)
    protocol = models.CharField(max_length=16, default="")
    reason = models.CharField(max_length=64, db_index=True)
    correlation_id = models.CharField(max_length=255, default="")

    def __str__(self) -> str:
        return f"{self.username}: {self.reason}"
