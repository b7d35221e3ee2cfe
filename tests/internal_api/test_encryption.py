"""Secrets that must be read back: encrypted at rest, under keys that can be changed."""

from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from pytest_django.fixtures import Settings

from accounts.models import User
from internal_api import encryption
from repositories.models import Storage, Webhook

OLD, NEW = "an old encryption key", "a new encryption key"


def stored(table: str, column: str) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {column} FROM {table} ORDER BY id")  # noqa: S608  our own words
        return [row[0] for row in cursor.fetchall()]


@pytest.fixture
def storages(db: None, settings: Settings) -> list[Storage]:
    settings.ENCRYPTION_KEYS = [OLD]
    return [Storage.objects.create(name=f"s{number}", gitaly_token="the gitaly token" if number else None) for number in range(4)]


def test_what_is_stored_tells_nothing_and_is_never_twice_the_same(storages: list[Storage]) -> None:
    texts = stored("repositories_storage", "gitaly_token")[1:]
    assert len(set(texts)) == 3
    assert not any("gitaly" in text for text in texts)
    assert {storage.gitaly_token for storage in Storage.objects.all()} == {None, "the gitaly token"}


def test_keys_are_changed_without_a_gap(storages: list[Storage], settings: Settings) -> None:
    Webhook.objects.create(url="https://x/", instance=True, token="the webhook token")
    before = stored("repositories_storage", "gitaly_token")
    settings.ENCRYPTION_KEYS = [NEW, OLD]
    assert Storage.objects.filter(name="s1").get().gitaly_token == "the gitaly token", "the old key still decrypts"
    out = StringIO()
    call_command("rotate_encryption", stdout=out)
    assert "repositories.Storage.gitaly_token: 3" in out.getvalue()
    assert "repositories.Webhook.token: 1" in out.getvalue()
    assert not set(stored("repositories_storage", "gitaly_token")[1:]) & set(before[1:])
    settings.ENCRYPTION_KEYS = [NEW]
    encryption.decrypt.cache_clear()
    assert {storage.gitaly_token for storage in Storage.objects.all()} == {None, "the gitaly token"}
    settings.ENCRYPTION_KEYS = [OLD]
    encryption.decrypt.cache_clear()
    unreadable = Storage.objects.get(name="s1").gitaly_token
    assert not encryption.is_decrypted(unreadable)
    assert unreadable, "it does not count as none"
    assert "gitaly token" not in repr(unreadable)
    with pytest.raises(CommandError, match=r"repositories_storage.gitaly_token of row .* cannot be decrypted"):
        call_command("rotate_encryption")


@pytest.mark.parametrize("first_keys", [[OLD], []])
def test_a_key_that_is_only_accepted_decrypts_and_never_encrypts(db: None, settings: Settings, first_keys: list[str]) -> None:
    """Also where SECRET_KEY encrypts: machines that do not know the key yet must be able to read what is written."""
    settings.ENCRYPTION_KEYS, settings.DECRYPTION_KEYS = [NEW], []
    Storage.objects.create(name="by the next key", gitaly_token="the gitaly token")
    settings.ENCRYPTION_KEYS, settings.DECRYPTION_KEYS = first_keys, [NEW]
    assert Storage.objects.get(name="by the next key").gitaly_token == "the gitaly token"
    Storage.objects.create(name="by the key in use", gitaly_token="the gitaly token")
    settings.DECRYPTION_KEYS = []
    encryption.decrypt.cache_clear()
    assert Storage.objects.get(name="by the key in use").gitaly_token == "the gitaly token"


def test_many_rows_are_rotated_in_batches(storages: list[Storage]) -> None:
    assert encryption.rotate(batch=2)["repositories.Storage.gitaly_token"] == 3


def test_what_secret_key_has_encrypted_is_read_and_taken_over(db: None, settings: Settings) -> None:
    settings.ENCRYPTION_KEYS = []
    User.objects.create(username="ann", email="ann@example.com", otp_secret="JBSWY3DPEHPK3PXP")
    settings.ENCRYPTION_KEYS = [NEW]
    assert User.objects.get().otp_secret == "JBSWY3DPEHPK3PXP"
    encryption.rotate()
    settings.SECRET_KEY = "quite another secret key"
    encryption.decrypt.cache_clear()
    assert User.objects.get().otp_secret == "JBSWY3DPEHPK3PXP"
