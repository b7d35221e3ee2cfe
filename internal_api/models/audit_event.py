"""What happened, who did it and when. Plain ids instead of foreign keys: an event outlives what it speaks of."""

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from internal_api.acting import ActorKind, current_actor
from internal_api.logs import correlation_id
from internal_api.stored_json import RecordedJSONField, ReportsUnreadableJSON


class AuditEvent(ReportsUnreadableJSON):
    """One event, such as a change of a setting, a Git operation or a provisioning. Written once, never changed.

    `changes` has for each field its value before and after; `details` what else there is to say.
    """

    created_at = models.DateTimeField(default=timezone.now, db_index=True)
    action = models.CharField(max_length=64, db_index=True)
    actor_kind = models.CharField(
        max_length=16, default="", blank=True, choices=[(kind.value, kind.value.capitalize()) for kind in ActorKind]
    )
    author_id = models.BigIntegerField(null=True, blank=True)
    author_name = models.CharField(max_length=255, default="", blank=True, db_index=True)
    credential = models.CharField(max_length=255, default="", blank=True, help_text="What the author proved to be the author with.")
    operation = models.CharField(max_length=255, default="", blank=True, help_text="The command, or the request's method and path.")
    entity_type = models.CharField(max_length=64, default="", blank=True)
    entity_id = models.BigIntegerField(null=True, blank=True)
    entity_path = models.CharField(max_length=1024, default="", blank=True)
    ip_address = models.CharField(max_length=64, default="", blank=True)
    correlation_id = models.CharField(max_length=255, default="", blank=True)
    changes = RecordedJSONField(default=dict, blank=True)
    details = RecordedJSONField(default=dict, blank=True)

    class Meta:
        indexes: ClassVar = [models.Index(fields=["entity_type", "entity_id"])]

    def __str__(self) -> str:
        return f"{self.action} {self.entity_path}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the event; one that is stored is not changed any more."""
        if not self._state.adding:
            raise TypeError(f"Audit event {self.pk} is stored already, and events are never changed.")
        super().save(*args, **{**kwargs, "force_insert": True})

    @classmethod
    def by_current_actor(cls, action: str, **fields: Any) -> "AuditEvent":
        """Return an event that is not saved yet; what is not said about its author comes from whoever acts now."""
        actor = current_actor()
        who = actor.identity
        if fields.get("author_id") is None and not fields.get("author_name"):
            fields |= {"author_id": who.id, "author_name": who.name}
        fields["ip_address"] = fields.get("ip_address") or actor.ip_address
        for name, longest in (("author_name", 255), ("ip_address", 64), ("entity_path", 1024)):
            fields[name] = str(fields.get(name, ""))[:longest]
        return cls(
            action=action,
            actor_kind=who.kind,
            credential=who.credential[:255],
            operation=actor.operation[:255],
            correlation_id=correlation_id.get(),
            **fields,
        )
