"""Uploads as gitlab-workhorse leaves them: a file in the directory that it was told of."""

import hashlib
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from repositories.lfs.local_storage import LocalStorage
from repositories.lfs.storage import lfs_storage
from repositories.lfs.upload import Upload

type_of_receive = Callable[[bytes], Upload]


def oid_of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def storage(settings: Settings) -> LocalStorage:
    """The directory of the test."""
    found = lfs_storage()
    assert isinstance(found, LocalStorage)
    return found


@pytest.fixture
def receive(storage: LocalStorage) -> type_of_receive:
    """Put content where Workhorse puts it."""

    def received(content: bytes) -> Upload:
        path = Path(storage.authorize(len(content))["TempPath"]) / f"gitlab-workhorse-upload{uuid.uuid4().hex}"
        path.write_bytes(content)
        path.chmod(0o600)
        return Upload(len(content), oid_of(content), str(path))

    return received
