"""Kubernetes agents and kas."""

from django.apps import AppConfig


class KubernetesAgentConfig(AppConfig):
    """Kubernetes agents and kas."""

    name = "kubernetes_agent"

    def ready(self) -> None:
        """Fill the kernel's registries."""
        from kubernetes_agent import clean_up, dumps, front_page, metrics, seeds  # noqa: PLC0415  models are not loaded before this

        seeds.register()
        clean_up.register()
        front_page.register()
        dumps.register()
        metrics.register()
