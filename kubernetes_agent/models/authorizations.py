"""Where agents may be used, as their configuration files say (contract: kubernetes-agent 2.3)."""

from typing import ClassVar

from django.db import models

from internal_api.stored_json import RecordedJSONField, ReportsUnreadableJSON
from kubernetes_agent.models.agents import Agent
from repositories.models import Namespace, Project


class AccessKind(models.TextChoices):
    """By CI jobs, or by people through the Kubernetes proxy."""

    CI = "ci_access", "CI jobs"
    USER = "user_access", "People"


class AgentAuthorization(ReportsUnreadableJSON):
    """An agent is open to a project or a group; replaced as a whole whenever the configuration changes."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="authorizations")
    kind = models.CharField(max_length=16, choices=AccessKind)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="+")
    group = models.ForeignKey(Namespace, on_delete=models.CASCADE, null=True, related_name="+")
    config = RecordedJSONField(default=dict)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "kind", "project"], name="agent_authorization_project_unique"),
            models.UniqueConstraint(fields=["agent", "kind", "group"], name="agent_authorization_group_unique"),
            models.CheckConstraint(
                condition=models.Q(project__isnull=False, group__isnull=True) | models.Q(project__isnull=True, group__isnull=False),
                name="agent_authorization_one_place",
            ),
            models.CheckConstraint(condition=models.Q(kind__in=AccessKind.values), name="agent_authorization_kind_known"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of {self.agent_id}"
