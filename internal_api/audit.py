"""Writing down what happened and who did it."""

from typing import Any

from internal_api.logs import correlation_id
from internal_api.models import AuditEvent


def record_event(
    action: str,
    *,
    author_id: int | None = None,
    author_name: str = "",
    entity_type: str = "",
    entity_id: int | None = None,
    entity_path: str = "",
    ip_address: str = "",
    details: dict[str, Any] | None = None,
) -> AuditEvent:
    """One audit event, in the caller's transaction. `details` never hold a secret."""
    return AuditEvent.objects.create(
        action=action,
        author_id=author_id,
        author_name=author_name[:255],
        entity_type=entity_type,
        entity_id=entity_id,
        entity_path=entity_path[:1024],
        ip_address=ip_address[:64],
        correlation_id=correlation_id.get(),
        details=details or {},
    )
