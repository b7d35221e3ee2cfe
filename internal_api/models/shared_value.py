"""Volatile values shared by all processes when no Redis is configured."""

from django.db import models


class SharedValue(models.Model):
    """A counter or a text that expires."""

    key = models.CharField(max_length=512, primary_key=True)
    number = models.BigIntegerField(default=0)
    text = models.TextField(default="", blank=True)
    expires_at = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        return self.key
