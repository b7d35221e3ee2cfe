"""What the environment says of secrets: values, files, and the files beside them."""

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from settings.environment import Environment


def test_files_beside_a_named_secret_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    (tmp_path / "key.previous").write_text("previous\n")
    (tmp_path / "elsewhere.next").write_text("not beside it")
    assert Environment().secrets_beside("SECRET_KEY", tmp_path / "elsewhere") == ["previous", "previous\n"]


def test_files_beside_the_default_are_read_where_no_file_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY_FILE", raising=False)
    (tmp_path / "key.next").write_text("next")
    assert Environment().secrets_beside("SECRET_KEY", tmp_path / "key") == ["next"]
    assert Environment().secrets_beside("SECRET_KEY") == []


def test_an_empty_file_beside_a_secret_refuses_to_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENCRYPTION_KEYS_FILE", str(tmp_path / "keys"))
    (tmp_path / "keys.next").write_text("\n")
    with pytest.raises(ImproperlyConfigured, match=r"keys\.next holds an empty secret"):
        Environment().secrets_beside("ENCRYPTION_KEYS")
