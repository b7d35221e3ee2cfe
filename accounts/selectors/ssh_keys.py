"""Finding SSH keys."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import urlsplit

from django.conf import settings
from django.utils.dateparse import parse_datetime

from accounts.errors import InvalidKeyError
from accounts.models import SSHKey
from accounts.selectors.actors import KEY_OWNER_SQL
from accounts.ssh.fingerprint import fingerprint_of_search
from internal_api.statements import fetch_row
from internal_api.stored_values import report_unreadable

_LINE = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}", re.ASCII)
_SQL = f"""
SELECT k.id, k.title, k.key, k.created_at, k.expires_at, k.usage_type, u.name
FROM (SELECT k.*, {KEY_OWNER_SQL} AS owner_id FROM accounts_sshkey k WHERE k.fingerprint = %(fingerprint)s AND k.usage_type <> 'signing') k
JOIN accounts_user u ON u.id = k.owner_id
"""


@dataclass(frozen=True, slots=True)
class AuthorizedKey:
    """A key that may open an SSH connection."""

    id: int
    title: str
    line: str
    created_at: datetime
    expires_at: datetime | None
    usage_type: str
    owner_name: str

    @property
    def authorized_line(self) -> str:
        """The key as OpenSSH reads it. The stored comment is replaced by the owner's name and the host (contract: shell-endpoints 3)."""
        owner = " ".join(self.owner_name.split())  # a line break would end the authorized_keys line
        return f"{self.line} {owner} ({urlsplit(settings.EXTERNAL_URL).hostname})"


def _time(value: datetime | str | None) -> datetime | None:
    """SQLite keeps times as texts in UTC."""
    if isinstance(value, str):
        parsed = parse_datetime(value)
        return parsed.replace(tzinfo=UTC) if parsed else None
    return value


def find_authorized_key(fingerprint: str) -> AuthorizedKey | None:
    """The key of that fingerprint unless it is for signing only; expired keys too, which /allowed refuses. One statement."""
    row = fetch_row(_SQL, {"fingerprint": fingerprint})
    if row is None:
        return None
    key_id, title, line, created_at, expires_at, usage_type, name = row
    if _LINE.fullmatch(line) is None:  # a line break in it would be a line of authorized_keys of its own
        report_unreadable(SSHKey._meta.db_table, "key", key_id)  # noqa: SLF001  Django's public name for it
        return None
    return AuthorizedKey(key_id, title, line, _time(created_at) or datetime.now(UTC), _time(expires_at), usage_type, name)


def get_key(text: str) -> SSHKey:
    """The key of that id, fingerprint (SHA256 or MD5) or pasted line. Raises InvalidKeyError."""
    text = text.strip()
    found = SSHKey.objects.filter(pk=int(text)).first() if text.isascii() and text.isdigit() and len(text) < 19 else None  # noqa: PLR2004  the digits of 64 bits
    fingerprint = fingerprint_of_search(text) or text.removeprefix("SHA256:")
    found = found or SSHKey.objects.filter(fingerprint=fingerprint).first()
    found = found or SSHKey.objects.filter(fingerprint_md5=text.removeprefix("MD5:")).first()
    if found is None:
        raise InvalidKeyError(f"There is no key {text[:80]!r}.")
    return found
