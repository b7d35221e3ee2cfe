"""The kernel: what every endpoint shares."""

from django.apps import AppConfig


class InternalApiConfig(AppConfig):
    """Caller authentication, errors, parameters, instance settings, the shared store and the seeding engine."""

    name = "internal_api"
