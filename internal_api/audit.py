"""Writing down what happened where no row of an audited model tells it by itself (`internal_api/models/audited.py`)."""

from typing import Any

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
    """Write one audit event, in the caller's transaction, and return it. `details` never hold a secret.

    Author and address are those of whoever acts now unless they are named.
    """
    event = AuditEvent.by_current_actor(
        action,
        author_id=author_id,
        author_name=author_name,
        entity_type=entity_type,
        entity_id=entity_id,
        entity_path=entity_path,
        ip_address=ip_address,
        details=details or {},
    )
    event.save()
    return event
