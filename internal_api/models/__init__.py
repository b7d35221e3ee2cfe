"""What belongs to the service as a whole."""

from internal_api.models.audit_event import AuditEvent
from internal_api.models.audited import Audited, AuditedManager, AuditedQuerySet, naming
from internal_api.models.instance_settings import InstanceSettings
from internal_api.models.last_call import LastCall
from internal_api.models.refused_peer import RefusedPeer
from internal_api.models.shared_value import SharedValue
from internal_api.models.task_worker import TaskWorker

__all__ = [
    "AuditEvent",
    "Audited",
    "AuditedManager",
    "AuditedQuerySet",
    "InstanceSettings",
    "LastCall",
    "RefusedPeer",
    "SharedValue",
    "TaskWorker",
    "naming",
]
