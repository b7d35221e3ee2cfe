"""Who works in the background at the moment."""

from django.db import models
from django.utils import timezone


class TaskWorker(models.Model):
    """A worker that is alive, or was a moment ago: it renews `seen_at` while it lives."""

    worker_id = models.CharField(max_length=64, unique=True)
    host = models.CharField(max_length=255)
    pid = models.PositiveIntegerField()
    started_at = models.DateTimeField(default=timezone.now)
    seen_at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.host}, process {self.pid}"
