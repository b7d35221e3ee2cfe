"""What of DATABASE_URL cannot work, tried before anything is served: by `migrate`, `check --database default` and the start itself."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register
from django.core.exceptions import ImproperlyConfigured
from django.db import connections


def pooling_problems(databases: Iterable[str]) -> list[str]:
    """A sentence for each of these databases whose pooler cannot serve what is configured."""
    found = []
    for alias in databases:
        connection: Any = connections[alias]
        if connection.vendor == "postgresql":
            from internal_api.postgresql.pooling import pooling_problem  # noqa: PLC0415  psycopg, which SQLite needs not

            params = {name: value for name, value in connection.get_connection_params().items() if name not in _OURS}
            problem = pooling_problem(params, prepared=settings.PREPARED)
            found += [problem] if problem else []
    return found


_OURS = frozenset({"context", "cursor_factory", "prepare_threshold"})


def refuse_unfit_databases() -> None:
    """Raise ImproperlyConfigured for a combination that would fail some requests and not others."""
    for problem in pooling_problems(settings.DATABASES):
        raise ImproperlyConfigured(problem)


def check_databases(databases: Sequence[str] | None = None, **_: Any) -> list[CheckMessage]:
    """For Django's own commands."""
    return [Error(problem, id="internal_api.E001") for problem in pooling_problems(databases or ())]


def register_checks() -> None:
    """Make the check known to Django."""
    register(check_databases, Tags.database)
