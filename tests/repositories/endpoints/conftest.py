"""What the tests of several endpoints share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from repositories.models import Storage
from tests.gitaly_server import FakeGitaly, running


@pytest.fixture
def gitaly(tmp_path: Path, db: None) -> Iterator[FakeGitaly]:
    """A Gitaly that keeps the storage of the tests' projects."""
    with running(tmp_path / "storages", token="gitaly token") as server:
        Storage.objects.update_or_create(name="default", defaults={"gitaly_address": server.address, "gitaly_token": "gitaly token"})
        yield server
