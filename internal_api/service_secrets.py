"""The secrets that this service shares with GitLab Shell, kas and Workhorse, from the files that the settings name."""

import base64
import secrets
from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from internal_api.secret_files import write_secret
from internal_api.service_tokens import KAS, SHELL, WORKHORSE, Service, UnusableSecretError, read_secrets


def _ensure_secret(path: Path, service: Service) -> None:
    if path.exists():
        return
    if settings.REQUIRE_SECRETS:
        raise ImproperlyConfigured(f"{path} is missing and REQUIRE_SECRETS is true.")
    random = secrets.token_bytes(32)
    write_secret(path, base64.b64encode(random).decode() if service.encoded_secret else random.hex())


@lru_cache(maxsize=8)
def _secrets_of(service: Service, current: Path | None, previous: Path | None) -> tuple[bytes, ...]:
    if current is None:
        return ()
    _ensure_secret(current, service)
    try:
        return read_secrets(service, current, previous)
    except (OSError, UnusableSecretError) as error:
        raise ImproperlyConfigured(str(error)) from error


_SETTINGS: dict[Service, tuple[str, str | None]] = {
    SHELL: ("GITLAB_SHELL_SECRET_FILE", "GITLAB_SHELL_PREVIOUS_SECRET_FILE"),
    KAS: ("GITLAB_KAS_SECRET_FILE", "GITLAB_KAS_PREVIOUS_SECRET_FILE"),
    WORKHORSE: ("GITLAB_WORKHORSE_SECRET_FILE", "GITLAB_WORKHORSE_PREVIOUS_SECRET_FILE"),
}
"""The settings that name the file of each caller's secret and, where there is one, a file with a second secret."""


def secret_file_of(service: Service) -> Path | None:
    """Return the file of a caller's secret, as the settings name it."""
    path: Path | None = getattr(settings, _SETTINGS[service][0])
    return path


def service_secrets(service: Service) -> tuple[bytes, ...]:
    """Return the live secrets of a service, the current one first.

    Read once per process, so a change needs a reload (kill -HUP); NAME.next and NAME.previous beside the file NAME are live too.
    A missing file is made, unless REQUIRE_SECRETS is true (contract: decisions 8). Raises ImproperlyConfigured.
    """
    current, second = _SETTINGS[service]
    return _secrets_of(service, getattr(settings, current), getattr(settings, second) if second else None)
