"""`doctor` tells what is wrong with the LFS storage (contract: git-http LD23)."""

import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from internal_api.database_metrics import database_exposition
from internal_api.doctor import Consultation, Finding, Level, examine
from internal_api.models import InstanceSettings
from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.locks import create_lock
from repositories.models import LFSObject, Project
from tests.factories import UserFactory


def told() -> list[Finding]:
    return [finding for finding in examine(Consultation()) if finding.name == "LFS storage"]


@pytest.mark.django_db
def test_directory_that_can_be_written_to_is_fine_and_stays_as_it_was(storage: LocalStorage) -> None:
    (found,) = told()
    assert (found.level, found.text) == (Level.WELL, f"{storage.root} can be written to, the latest objects are there")
    assert list(storage.uploads.iterdir()) == []
    assert [path.name for path in storage.root.iterdir()] == ["tmp"]


@pytest.mark.django_db
def test_directory_that_is_none_is_told(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    settings.LFS_STORAGE_PATH = tmp_path / "file"
    (found,) = told()
    assert found.level == Level.PROBLEM
    assert found.text.startswith(f"{tmp_path}/file cannot be written to: ")
    assert "LFS_STORAGE_PATH" in found.advice


@pytest.mark.django_db
def test_missing_objects_are_told(storage: LocalStorage) -> None:
    LFSObject.objects.create(oid="a" * 64, size=1)
    (found,) = told()
    assert found.level == Level.PROBLEM
    assert found.text == f"1 of the latest 1000 LFS objects are not in the storage, such as {'a' * 64}"


@pytest.fixture
def other_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service runs as another user than the one whose files are there."""
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)


@pytest.mark.django_db
def test_files_of_another_user_are_told(storage: LocalStorage, other_user: None) -> None:
    storage.authorize(1)
    (storage.uploads / "gitlab-workhorse-upload1").write_text("")
    (found,) = told()
    assert found.level == Level.PROBLEM
    assert "Workhorse runs as another user" in found.text


@pytest.mark.django_db
def test_full_file_system_is_a_warning(storage: LocalStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")  # noqa: PYI024  the shape of shutil's own
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 99, 1))
    (found,) = told()
    assert (found.level, found.text) == (Level.WARNING, f"1 % of the file system of {storage.root} are free")


@pytest.mark.django_db
def test_nothing_is_looked_at_where_lfs_is_off(settings: Settings) -> None:
    settings.LFS_STORAGE_PATH = Path("/nowhere/at/all")
    InstanceSettings(lfs_enabled=False).save()
    (found,) = told()
    assert (found.level, found.text) == (Level.WELL, "LFS is switched off")


def test_locks_are_counted_for_prometheus(rockets: Project) -> None:
    create_lock(rockets.pk, "a.bin", UserFactory.create(username="max").pk)
    assert b"internal_api_lfs_locks 1.0" in database_exposition()
