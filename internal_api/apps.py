"""The kernel: what every endpoint shares."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from internal_api.request_costs import count_statements


class InternalApiConfig(AppConfig):
    """Caller authentication, errors, parameters, instance settings, the shared store and the seeding engine."""

    name = "internal_api"

    def ready(self) -> None:
        """Fill the kernel's registries."""
        from internal_api import clean_up, doctor_checks, dumps, front_page, metrics, seeds, workers  # noqa: PLC0415  models are not loaded before this

        seeds.register()
        clean_up.register()
        front_page.register()
        dumps.register()
        doctor_checks.register()
        workers.register()
        metrics.register()
        connection_created.connect(count_statements)
