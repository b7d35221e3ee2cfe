"""What the Kubernetes agent server asks."""

from django.apps import AppConfig


class KubernetesAgentConfig(AppConfig):
    """What the Kubernetes agent server asks."""

    name = "kubernetes_agent"
