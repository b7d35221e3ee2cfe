"""The tokens with which GitLab Shell, Gitaly, kas and GitLab Workhorse prove that they share a secret with this service.

Pure but for reading the secret files. Contract: allowed 1.2, shell-endpoints 1.1, kubernetes-agent 1.1, git-http 1.2, decisions 6 to 8.
"""

import base64
import binascii
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from jwt.types import Options
from jwt.warnings import InsecureKeyLengthWarning

from internal_api.acting import ActorKind, Identity
from internal_api.secret_files import files_beside

# The contract accepts short shell secrets; `manage.py doctor` is where an operator is told to lengthen one.
warnings.filterwarnings("ignore", category=InsecureKeyLengthWarning)

_OPTIONS: Options = {"verify_iat": False, "verify_sub": False, "verify_jti": False}
_ANY_AUDIENCE: Options = {**_OPTIONS, "verify_aud": False}


class InvalidServiceTokenError(Exception):
    """The token does not prove anything. The reason is for the log, never for the caller."""


class UnusableSecretError(Exception):
    """A secret file does not hold a secret."""


@dataclass(frozen=True, slots=True)
class ServiceCaller:
    """A program that has proved that it shares the service's secret."""

    issuer: str

    def audit_identity(self) -> Identity:
        """Return the program, for the audit log; whom it acts for is noted on the request."""
        return Identity(ActorKind.SERVICE, credential=f"secret of {self.issuer}")


@dataclass(frozen=True, slots=True)
class Service:
    """What one kind of caller's tokens look like. `leeway` is in seconds; `audience` is None where any is accepted."""

    issuer: str
    leeway: int
    audience: str | None = None
    encoded_secret: bool = False

    def secret_from(self, text: str) -> bytes:
        """The key that a secret file's text stands for. Raises UnusableSecretError for an empty or malformed one."""
        trimmed = text.strip()
        if not trimmed:
            raise UnusableSecretError(f"The secret of {self.issuer} is empty.")
        return self._decoded(trimmed) if self.encoded_secret else trimmed.encode()

    def _decoded(self, text: str) -> bytes:
        try:
            secret = base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise UnusableSecretError(f"The secret of {self.issuer} is not base64.") from error
        if len(secret) != 32:  # noqa: PLR2004  kas and Workhorse refuse any other length too
            raise UnusableSecretError(f"The secret of {self.issuer} must be the base64 of 32 bytes.")
        return secret

    def verify(self, token: str, secrets: Sequence[bytes]) -> ServiceCaller:
        """Who made the token. Raises InvalidServiceTokenError unless one of the live secrets signed it and its claims hold."""
        self.claims(token, secrets)
        return ServiceCaller(self.issuer)

    def claims(self, token: str, secrets: Sequence[bytes]) -> dict[str, Any]:
        """Return what the token says. Raises InvalidServiceTokenError as `verify` does."""
        reason = "no secret is configured"
        for secret in secrets:
            try:
                return self._decode(token, secret)
            except (jwt.PyJWTError, ValueError, TypeError, RecursionError, OverflowError) as error:
                reason = str(error) or type(error).__name__
        raise InvalidServiceTokenError(reason)

    def _decode(self, token: str, secret: bytes) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(
            token,
            secret,
            algorithms=["HS256"],
            issuer=self.issuer,
            audience=self.audience,
            leeway=self.leeway,
            options=_OPTIONS if self.audience else _ANY_AUDIENCE,
        )
        if self.audience and "aud" not in claims:
            raise jwt.MissingRequiredClaimError("aud")
        if not isinstance(claims.get("iat", 0), int | float):
            raise jwt.InvalidIssuedAtError("iat is not a number")
        return claims

    def issue(self, secret: bytes, lifetime: int = 60) -> str:
        """A token as the real clients make them; for curl, tests and health checks."""
        now = int(time.time())
        claims: dict[str, object] = {"iss": self.issuer, "iat": now, "exp": now + lifetime}
        if self.audience:
            claims |= {"aud": [self.audience], "nbf": now - 5}
        return jwt.encode(claims, secret, algorithm="HS256")


SHELL = Service(issuer="gitlab-shell", leeway=60)
KAS = Service(issuer="gitlab-kas", leeway=0, audience="gitlab", encoded_secret=True)
WORKHORSE = Service(issuer="gitlab-workhorse", leeway=0, encoded_secret=True)


def read_secrets(service: Service, current: Path, *others: Path | None) -> tuple[bytes, ...]:
    """Return the live secrets, the current one first.

    While a secret is being changed, the files beside the current one (internal_api/secret_files.py) and those that
    `others` name hold secrets that are accepted too. Raises OSError and UnusableSecretError, which names the file.
    """
    files = (current, *files_beside(current), *(path for path in others if path is not None))
    return tuple(dict.fromkeys(_read_secret(service, path) for path in files))


def _read_secret(service: Service, path: Path) -> bytes:
    try:
        return service.secret_from(path.read_text())
    except (UnusableSecretError, UnicodeDecodeError) as error:
        raise UnusableSecretError(f"{path}: {error}") from error
