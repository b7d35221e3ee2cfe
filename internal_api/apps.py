"""The kernel: what every endpoint shares."""

from django.apps import AppConfig
from django.db.backends.signals import connection_created

from internal_api import tracing
from internal_api.database_checks import register_checks
from internal_api.request_costs import count_statements


class InternalApiConfig(AppConfig):
    """Caller authentication, errors, parameters, instance settings, the shared store and the seeding engine."""

    name = "internal_api"

    def ready(self) -> None:
        """Count statements from the first connection on, and make lists of any length usable in queries."""
        from internal_api import lookups, system_checks  # noqa: F401, PLC0415  registers them; models must be loaded first

        connection_created.connect(count_statements)
        if tracing.ENABLED:
            connection_created.connect(tracing.trace_queries)
        register_checks()
