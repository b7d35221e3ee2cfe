"""Agents of Kubernetes clusters, what they may reach, what they count and what they find."""

from kubernetes_agent.models.agents import Agent, AgentEvent, AgentEventKind, AgentToken, ReceptiveConfiguration, TokenStatus
from kubernetes_agent.models.authorizations import AccessKind, AgentAuthorization
from kubernetes_agent.models.metrics import UniqueUse, UsageCounter
from kubernetes_agent.models.policies import SecurityPolicy
from kubernetes_agent.models.vulnerabilities import (
    DetectionTransition,
    Identifier,
    Scanner,
    Severity,
    StateTransition,
    Vulnerability,
    VulnerabilityState,
)

__all__ = [
    "AccessKind",
    "Agent",
    "AgentAuthorization",
    "AgentEvent",
    "AgentEventKind",
    "AgentToken",
    "DetectionTransition",
    "Identifier",
    "ReceptiveConfiguration",
    "Scanner",
    "SecurityPolicy",
    "Severity",
    "StateTransition",
    "TokenStatus",
    "UniqueUse",
    "UsageCounter",
    "Vulnerability",
    "VulnerabilityState",
]
