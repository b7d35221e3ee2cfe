"""LFS objects in a directory (contract: git-http 4.2 to 4.4)."""

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from internal_api.errors import UnavailableError
from repositories.lfs import local_storage
from repositories.lfs.errors import InvalidUploadError
from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.upload import Upload
from tests.repositories.lfs.conftest import oid_of, type_of_receive

CONTENT = b"a large picture"
OID = oid_of(CONTENT)


def test_object_lies_at_the_path_of_its_id_and_is_the_uploaded_file(storage: LocalStorage, receive: type_of_receive) -> None:
    upload = receive(CONTENT)
    assert storage.find_upload(upload) == len(CONTENT)
    storage.store(upload, OID)
    path = storage.root / OID[:2] / OID[2:4] / OID[4:]
    assert (storage.locate(OID), path.read_bytes()) == (path, CONTENT)
    assert path.samefile(upload.path)  # a hard link: the receiver's own name can be removed
    Path(upload.path).unlink()
    with storage.open(OID) as content:
        assert content.read() == CONTENT
    assert storage.exists(OID, len(CONTENT))
    assert not storage.exists(OID, 1)
    assert list(storage.uploads.iterdir()) == []


def test_content_that_was_cut_off_is_replaced(storage: LocalStorage, receive: type_of_receive) -> None:
    path = storage.path(OID)
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:3])
    storage.store(receive(CONTENT), OID)
    assert path.read_bytes() == CONTENT


def test_storing_the_stored_file_again_leaves_nothing_beside_it(storage: LocalStorage, receive: type_of_receive) -> None:
    upload = receive(CONTENT)
    storage.store(upload, OID)
    storage.store(upload, OID)
    assert [path.name for path in storage.uploads.iterdir()] == [Path(upload.path).name]


def test_file_system_without_hard_links_gets_a_copy(
    storage: LocalStorage, receive: type_of_receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError("no hard links here")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    upload = receive(CONTENT)
    storage.store(upload, OID)
    assert storage.path(OID).read_bytes() == CONTENT
    assert not storage.path(OID).samefile(upload.path)


def test_full_disk_is_unavailable_and_leaves_nothing(
    storage: LocalStorage, receive: type_of_receive, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Path, target: Path) -> None:
        target.write_bytes(b"half")
        raise OSError("No space left on device")

    upload = receive(CONTENT)
    monkeypatch.setattr(local_storage, "_link_or_copy", full)
    with pytest.raises(UnavailableError, match="cannot be written to"):
        storage.store(upload, OID)
    assert not storage.path(OID).exists()
    assert len(list(storage.uploads.iterdir())) == 1


def outside(storage: LocalStorage) -> Path:
    """A file that no upload is."""
    path = storage.root.parent / f"{storage.root.name}-outside"
    path.write_bytes(CONTENT)
    return path


def symbolic_link(storage: LocalStorage) -> str:
    link = storage.uploads / "link"
    link.symlink_to(outside(storage))
    return str(link)


def in_linked_directory(storage: LocalStorage) -> str:
    (storage.uploads / "directory").symlink_to(outside(storage).parent)
    return str(storage.uploads / "directory" / outside(storage).name)


@pytest.mark.parametrize(
    "path",
    [
        lambda _: "/etc/passwd",
        lambda _: "",
        lambda _: "relative",
        lambda _: "/\0",
        lambda storage: str(storage.uploads / ".." / ".." / "bar"),
        lambda storage: str(storage.uploads),
        lambda storage: str(storage.uploads / ".." / ".." / ".." / outside(storage).name),
        lambda storage: f"{storage.uploads}-beside/x",
        symbolic_link,
        in_linked_directory,
        lambda _: "/" + "x" * 5000,
    ],
)
def test_path_outside_the_uploads_is_insecure(storage: LocalStorage, receive: type_of_receive, path: Callable[[LocalStorage], str]) -> None:
    """Contract: git-http 151."""
    upload = replace(receive(CONTENT), path=path(storage))
    with pytest.raises(InvalidUploadError, match=r"^insecure path used '") as refused:
        storage.find_upload(upload)
    assert len(refused.value.message) < 1100
    with pytest.raises(InvalidUploadError):
        storage.store(upload, OID)
    assert not storage.path(OID).exists()
    assert outside(storage).read_bytes() == CONTENT


def test_upload_that_is_not_there_or_no_file_is_refused(storage: LocalStorage, receive: type_of_receive) -> None:
    upload = receive(CONTENT)
    (storage.uploads / "directory").mkdir()
    for name in ("nothing", "directory"):
        with pytest.raises(InvalidUploadError, match="does not exist"):
            storage.find_upload(replace(upload, path=str(storage.uploads / name)))


def test_directory_behind_a_symbolic_link_works(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    storage = LocalStorage(tmp_path / "link" / "objects")
    path = Path(storage.authorize(1)["TempPath"]) / "upload"
    path.write_bytes(CONTENT)
    upload = Upload(len(CONTENT), OID, str(path))
    assert storage.find_upload(upload) == len(CONTENT)
    storage.store(upload, OID)
    assert storage.exists(OID, len(CONTENT))


def test_only_stale_uploads_are_removed(storage: LocalStorage, receive: type_of_receive) -> None:
    old, new = receive(b"old"), receive(b"new")
    two_days_ago = timezone.now() - timedelta(days=2)
    os.utime(old.path, (two_days_ago.timestamp(), two_days_ago.timestamp()))
    assert storage.delete_stale_uploads(timezone.now() - timedelta(days=1)) == 1
    assert [str(path) for path in storage.uploads.iterdir()] == [new.path]


def test_removing_what_is_not_there_is_no_error(storage: LocalStorage) -> None:
    storage.delete(OID)
    assert storage.delete_stale_uploads(timezone.now()) == 0
    with pytest.raises(FileNotFoundError):
        storage.open(OID)
