"""What replays of all kinds need."""

import shutil
from collections.abc import Iterator

import pytest

from tests.gitaly_server import FakeGitaly, running
from tests.live.service import temporary_directory


@pytest.fixture(scope="module")
def gitaly() -> Iterator[FakeGitaly]:
    """A Gitaly with the recordings' repositories, on a socket."""
    directory = temporary_directory()
    with running(directory, listen=f"unix:{directory}/gitaly.socket") as server:
        yield server
    shutil.rmtree(directory)
