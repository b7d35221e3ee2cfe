"""What kas has counted (contract: kubernetes-agent 2.5 and 2.6)."""

from typing import ClassVar

from django.db import models


class UsageCounter(models.Model):
    """A counter's growth on one day; its total is the sum."""

    name = models.CharField(max_length=128)
    day = models.DateField()
    value = models.BigIntegerField(default=0)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "day"], name="usage_counter_unique"),
            models.CheckConstraint(condition=models.Q(value__gte=0), name="usage_counter_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.name} on {self.day}"


class UniqueUse(models.Model):
    """Somebody or something that was seen in a week, where there is no Redis to estimate it."""

    name = models.CharField(max_length=128)
    week = models.DateField(help_text="Its Monday.")
    entity_id = models.BigIntegerField()

    class Meta:
        constraints: ClassVar = [models.UniqueConstraint(fields=["name", "week", "entity_id"], name="unique_use_unique")]
        indexes: ClassVar = [models.Index(fields=["week"])]

    def __str__(self) -> str:
        return f"{self.name}: {self.entity_id}"
