"""Real processes, started once for all tests that use them."""

import shutil
from collections.abc import Iterator

import pytest

from tests.live.service import Service, temporary_directory
from tests.live.ssh_server import SSHServer, running_sshd


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    """A running service with an empty database."""
    directory = temporary_directory()
    running = Service(directory)
    running.start()
    yield running
    running.stop()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def sshd(service: Service) -> Iterator[SSHServer]:
    """OpenSSH's own server, which asks the service who somebody is."""
    with running_sshd(service) as server:
        yield server
