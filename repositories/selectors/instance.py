"""The instance's settings as the policy sees them, built once for each version of them."""

from functools import lru_cache
from urllib.parse import urlsplit

from django.conf import settings

from internal_api.models import InstanceSettings
from repositories.policy import Instance


def instance_of(row: InstanceSettings) -> Instance:
    """What the policy needs of the settings."""
    return _built(
        settings.EXTERNAL_URL,
        settings.SSH_URL,
        row.read_only,
        row.read_only_message,
        row.enabled_git_access_protocol,
        row.require_two_factor_for_git,
        row.enforce_terms,
        row.http_pull,
        row.http_push,
        row.lfs_enabled,
        row.lfs_integrity_check,
    )


@lru_cache(maxsize=16)
def _built(external_url: str, ssh_url: str, *fields: object) -> Instance:
    read_only, message, protocol, two_factor, terms, http_pull, http_push, lfs_enabled, integrity_check = fields
    ssh = urlsplit(ssh_url)
    return Instance(
        external_url=external_url,
        ssh_user=ssh.username or "git",
        ssh_host=ssh.hostname or "localhost",
        ssh_port=ssh.port or 22,
        read_only=bool(read_only),
        read_only_message=str(message),
        enabled_git_access_protocol=str(protocol),
        require_two_factor_for_git=bool(two_factor),
        enforce_terms=bool(terms),
        http_pull=bool(http_pull),
        http_push=bool(http_push),
        lfs_enabled=bool(lfs_enabled),
        lfs_integrity_check=str(integrity_check),
    )
