"""Django's system checks of this service: what `manage.py check --deploy` looks at before a start or a reload."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, register

from internal_api.secret_files import files_beside
from internal_api.service_tokens import KAS, SHELL, WORKHORSE, Service, UnusableSecretError, read_secrets


@register(Tags.security, deploy=True)
def check_service_secrets(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """Return an error for each secret file with which gunicorn would not start; nothing is made."""
    return [Error(problem, id="internal_api.E001") for service in (SHELL, KAS, WORKHORSE) for problem in _problems(service)]


def _problems(service: Service) -> Iterator[str]:
    from internal_api.service_secrets import secret_file_of  # noqa: PLC0415  loads the whole of DRF, which most commands do without

    path = secret_file_of(service)
    if path is None:
        return
    if not path.exists() and not settings.REQUIRE_SECRETS:
        if beside := files_beside(path):
            yield f"{path} is missing, although {beside[0]} is there. Move the secret that is in use to {path}."
        return
    try:
        read_secrets(service, path)
    except (OSError, UnusableSecretError) as error:
        yield f"The secret of {service.issuer} cannot be used: {error}"
