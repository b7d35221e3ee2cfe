"""HTTP Basic credentials, and what the scopes of a personal access token let Git do (contract: git-http 2.3). Pure."""

import base64
import binascii
from collections.abc import Collection
from dataclasses import dataclass, field

from repositories.policy import Credential

_PULL = frozenset({"api", "write_repository", "read_repository", "read_api"})
_PUSH = frozenset({"api", "write_repository"})
_SCHEME = "basic"


class MalformedCredentialsError(ValueError):
    """A header that says `Basic` and cannot be decoded."""


@dataclass(frozen=True, slots=True)
class BasicCredentials:
    """The two parts; the first ends at the first colon."""

    user: str
    password: str = field(repr=False)


def read_basic_credentials(header: str | None) -> BasicCredentials | None:
    """Return the credentials of an `Authorization` header; None where there is none, or one of another scheme.

    Raises MalformedCredentialsError. The message never holds a part of the header.
    """
    scheme, _, encoded = (header or "").strip(" \t").partition(" ")
    if scheme.lower() != _SCHEME:
        return None
    try:
        decoded = base64.b64decode(encoded.strip(" \t"), validate=True).decode()
    except (binascii.Error, ValueError):
        raise MalformedCredentialsError("The credentials are not base64 of UTF-8.") from None
    user, colon, password = decoded.partition(":")
    if not colon:
        raise MalformedCredentialsError("The credentials have no colon.")
    return BasicCredentials(user, password)


def credential_of_scopes(scopes: Collection[str]) -> Credential:
    """Return what a personal access token of these scopes is good for; a lock of one-time passwords does not close it (LD9)."""
    return Credential(pull=not _PULL.isdisjoint(scopes), push=not _PUSH.isdisjoint(scopes), closed_by_lock=False)
