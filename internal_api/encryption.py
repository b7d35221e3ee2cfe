"""Encryption at rest for the few secrets that must be read back, such as TOTP secrets and storage tokens."""

import base64
from functools import lru_cache
from typing import Any

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from django.apps import apps
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction

from internal_api.stored_values import report_unreadable


@lru_cache(maxsize=4)
def _cipher(keys: tuple[str, ...]) -> MultiFernet:
    def derived(key: str) -> Fernet:
        material = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"encryption at rest").derive(key.encode())
        return Fernet(base64.urlsafe_b64encode(material))

    return MultiFernet([derived(key) for key in keys])


def _current() -> MultiFernet:
    """Return the cipher whose first key encrypts. Keys that are only accepted come after SECRET_KEY, which encrypts where no other does."""
    return _cipher((*settings.ENCRYPTION_KEYS, settings.SECRET_KEY, *settings.DECRYPTION_KEYS, *settings.SECRET_KEY_FALLBACKS))


def encrypt(plain: str) -> str:
    """The text that may be stored; two calls give two different ones."""
    return _current().encrypt(plain.encode()).decode()


@lru_cache(maxsize=1024)
def decrypt(stored: str) -> str:
    """The secret again. Raises ValueError when none of the keys that are configured made the stored text.

    Remembered, since a storage's token is needed for every decision.
    """
    try:
        return _current().decrypt(stored.encode()).decode()
    except InvalidToken as error:
        raise ValueError("A stored secret cannot be decrypted: its key is not among those that are configured.") from error


def rotate(batch: int = 500) -> dict[str, int]:
    """Encrypt everything that is stored under the first key; how many values of each column there were."""
    return {
        f"{model._meta.label}.{field.name}": _rotate_column(model, field.name, batch)  # noqa: SLF001  Django's public name for it
        for model in apps.get_models()
        for field in model._meta.concrete_fields  # noqa: SLF001  likewise
        if isinstance(field, EncryptedTextField)
    }


def _rotate_column(model: type[models.Model], name: str, batch: int) -> int:
    """In batches, each a transaction of its own with its rows locked, so that a change made meanwhile is not undone."""
    last, number = 0, 0
    while True:
        with transaction.atomic():
            filled = model._default_manager.exclude(**{name: None}).exclude(**{name: ""})  # noqa: SLF001  the model's manager
            rows = list(filled.filter(pk__gt=last).select_for_update().order_by("pk")[:batch])
            for row in rows:
                _require_readable(row, name)
            model._default_manager.bulk_update(rows, [name])  # noqa: SLF001  likewise
        number += len(rows)
        if len(rows) < batch:
            return number
        last = rows[-1].pk


def _require_readable(row: models.Model, name: str) -> None:
    if not is_decrypted(getattr(row, name)):
        report_unreadable(row._meta.db_table, name, row.pk)  # noqa: SLF001  Django's public name for it
        raise ValueError(f"{row._meta.db_table}.{name} of row {row.pk} cannot be decrypted with the configured keys.")  # noqa: SLF001  likewise


class UnreadableSecret:
    """Stands on the model for a stored secret that none of the configured keys decrypts: true, and equal to no text.

    Saving it again keeps what is stored. Whoever needs the secret refuses (`is_decrypted`); a row that nobody needs the secret of
    is as good as any other.
    """

    def __init__(self, stored: str) -> None:
        self.stored = stored

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnreadableSecret) and other.stored == self.stored

    def __hash__(self) -> int:
        return hash(self.stored)

    def __repr__(self) -> str:
        return "<a stored secret that cannot be read>"


def is_decrypted(secret: object) -> bool:
    """Whether an encrypted column's value is a secret or empty, and not one that cannot be decrypted."""
    return not isinstance(secret, UnreadableSecret)


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]  # generic for mypy only, not at run time
    """A text that is encrypted on its way into the database and clear on the model. Cannot be searched."""

    def get_prep_value(self, value: Any) -> Any:
        if isinstance(value, UnreadableSecret):
            return value.stored
        return encrypt(value) if value else value

    def from_db_value(self, value: str | None, expression: object, connection: object) -> "str | UnreadableSecret | None":
        try:
            return decrypt(value) if value else value
        except ValueError:
            return UnreadableSecret(value or "")

    def to_python(self, value: Any) -> Any:
        """Keep what cannot be read as it is: Django's own would store its representation."""
        return value if isinstance(value, UnreadableSecret) else super().to_python(value)

    def validate(self, value: Any, model_instance: models.Model | None) -> None:
        """Accept what can be read."""
        if isinstance(value, UnreadableSecret):
            raise ValidationError("cannot be decrypted: its key is not among those that are configured")
        super().validate(value, model_instance)
