"""The kernel: what every endpoint shares."""

from django.apps import AppConfig


class InternalApiConfig(AppConfig):
    """Caller authentication, errors, parameters, instance settings, the shared store and the seeding engine."""

    name = "internal_api"

    def ready(self) -> None:
        """Fill the kernel's registries."""
        from internal_api import clean_up, dumps, front_page, seeds, workers  # noqa: PLC0415  models are not loaded before this

        seeds.register()
        clean_up.register()
        front_page.register()
        dumps.register()
        workers.register()
