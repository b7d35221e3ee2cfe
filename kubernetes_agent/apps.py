"""Kubernetes agents and kas."""

from django.apps import AppConfig


class KubernetesAgentConfig(AppConfig):
    """Kubernetes agents and kas."""

    name = "kubernetes_agent"
