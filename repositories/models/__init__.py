"""Namespaces, projects, and who may do what with their repositories."""

from repositories.models.access import AccessLevel, DeployKeyGrant, GroupLink, Member, MemberState
from repositories.models.certificates import EnterpriseUser, GroupSSHCertificate
from repositories.models.error_tracking import ErrorTrackingKey
from repositories.models.lfs import LFSLock, LFSObject, LFSObjectLink, LFSRepositoryType
from repositories.models.namespace import GitProtocolChoice, Namespace, NamespaceKind, NamespaceLineage, ProjectCreationLevel, Visibility
from repositories.models.project import FeatureLevel, Project
from repositories.models.protected_refs import GrantKind, ProtectedBranch, ProtectedRefGrant, ProtectedTag
from repositories.models.push import PendingPush, PushEvent, Refusal
from repositories.models.route import RedirectRoute, Route
from repositories.models.storage import Storage
from repositories.models.webhook import WEBHOOK_EVENTS, DeliveryLane, DeliveryState, Webhook, WebhookDelivery

__all__ = [
    "WEBHOOK_EVENTS",
    "AccessLevel",
    "DeliveryLane",
    "DeliveryState",
    "DeployKeyGrant",
    "EnterpriseUser",
    "ErrorTrackingKey",
    "FeatureLevel",
    "GitProtocolChoice",
    "GrantKind",
    "GroupLink",
    "GroupSSHCertificate",
    "LFSLock",
    "LFSObject",
    "LFSObjectLink",
    "LFSRepositoryType",
    "Member",
    "MemberState",
    "Namespace",
    "NamespaceKind",
    "NamespaceLineage",
    "PendingPush",
    "Project",
    "ProjectCreationLevel",
    "ProtectedBranch",
    "ProtectedRefGrant",
    "ProtectedTag",
    "PushEvent",
    "RedirectRoute",
    "Refusal",
    "Route",
    "Storage",
    "Visibility",
    "Webhook",
    "WebhookDelivery",
]
