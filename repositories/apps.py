"""Namespaces, projects, members and who may do what with Git."""

from django.apps import AppConfig


class RepositoriesConfig(AppConfig):
    """Namespaces, projects, members and who may do what with Git."""

    name = "repositories"

    def ready(self) -> None:
        """Fill the kernel's registries."""
        from internal_api.workers import register_sweep  # noqa: PLC0415  models are not loaded before this
        from repositories import clean_up, doctor, dumps, front_page, metrics, seeds  # noqa: PLC0415  likewise
        from repositories.services.webhook_deliveries import wake_lanes  # noqa: PLC0415  likewise

        seeds.register()
        clean_up.register()
        front_page.register()
        dumps.register()
        doctor.register()
        metrics.register()
        register_sweep("webhook lanes", wake_lanes)
