"""Encryption at rest for the few secrets that must be read back, such as TOTP secrets and storage tokens."""

import base64
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.conf import settings
from django.db import models


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    def derived(key: str) -> Fernet:
        material = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"encryption at rest").derive(key.encode())
        return Fernet(base64.urlsafe_b64encode(material))

    return MultiFernet([derived(key) for key in keys])


def _current() -> MultiFernet:
    return _cipher((settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS))


def encrypt(plain: str) -> str:
    """The text that may be stored; two calls give two different ones."""
    return _current().encrypt(plain.encode()).decode()


@lru_cache(maxsize=1024)
def decrypt(stored: str) -> str:
    """The secret again. Raises ValueError when neither SECRET_KEY nor one of its fallbacks made the stored text.

    Remembered, since a storage's token is needed for every decision.
    """
    try:
        return _current().decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise ValueError("A stored secret cannot be decrypted: SECRET_KEY has changed and is not among its fallbacks.") from error


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # generic for mypy only, not at run time
    """A text that is encrypted on its way into the database and clear on the model. Cannot be searched."""

    def get_prep_value(self, value: Any) -> Any:
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        return decrypt(value) if value else value
