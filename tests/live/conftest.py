"""Real processes, started once for all tests that use them."""

import shutil
from collections.abc import Iterator
from contextlib import nullcontext

import pytest

from tests.live.proxy import Proxy, running_proxy
from tests.live.service import Service, temporary_directory
from tests.live.ssh_server import SSHServer, running_sshd
from tests.recordings.exchanges import recorded_shapes
from tests.servers import PostgreSQL

NOT_RECORDED = {"kubernetes/agent_events", "kubernetes/receptive_agents"}
"""Calls of versions of kas that are later than the recorded one."""


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
def running(service: Service) -> Iterator[tuple[SSHServer, Proxy]]:
    """OpenSSH's own server, which asks the service through a proxy."""
    with running_proxy(service.port) as proxy, running_sshd(service, lambda: nullcontext(proxy.url)) as server:
        yield server, proxy


@pytest.fixture(scope="session")
def sshd(running: tuple[SSHServer, Proxy]) -> SSHServer:
    """OpenSSH's own server, which asks the service who somebody is."""
    return running[0]


@pytest.fixture
def proxy(running: tuple[SSHServer, Proxy]) -> Iterator[Proxy]:
    """What sshd and the hooks ask through, with nothing kept yet and no fault.

    Whatever a stand-in sends has the headers and keys of a recorded request, in that order.
    """
    asked = running[1]
    asked.exchanges.clear()
    yield asked
    asked.lift()
    shapes = {exchange.shape for exchange in asked.exchanges if exchange.endpoint not in NOT_RECORDED}
    assert shapes <= recorded_shapes(), shapes - recorded_shapes()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgreSQL]:
    """A PostgreSQL of the test's own, with durability, to be killed."""
    server = PostgreSQL(fsync=True)
    server.start()
    monkeypatch.setenv("DATABASE_URL", server.url)
    yield server
    server.remove()
