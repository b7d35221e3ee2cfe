"""Kubernetes agents and kas."""

from django.apps import AppConfig


class KubernetesAgentConfig(AppConfig):
    """Kubernetes agents and kas."""

    name = "kubernetes_agent"

    def ready(self) -> None:
        """Listen for pushes, of which kas is told."""
        from kubernetes_agent.services import push_notifications  # noqa: F401, PLC0415  models are not loaded before this
