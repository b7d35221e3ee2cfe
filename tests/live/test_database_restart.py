"""People at their terminals while PostgreSQL is stopped for seven seconds and comes back (contract: decisions 4b)."""

import getpass
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator

import pytest

from tests.live.service import Service, temporary_directory
from tests.live.ssh_server import SSHServer, running_sshd
from tests.servers import PostgreSQL

pytestmark = [pytest.mark.live, pytest.mark.postgresql]
STOPPED_SECONDS = 7


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[PostgreSQL]:
    """A PostgreSQL of the test's own, to be stopped."""
    server = PostgreSQL()
    server.start()
    monkeypatch.setenv("DATABASE_URL", server.url)
    yield server
    server.remove()


@pytest.fixture
def service(cluster: PostgreSQL) -> Iterator[Service]:
    directory = temporary_directory()
    running = Service(directory, workers=2, variables={"LOG_LEVEL": "WARNING"})
    running.start()
    yield running
    running.stop()
    shutil.rmtree(directory, ignore_errors=True)


class Person:
    """Greets and lists refs over SSH, one after the other, and keeps what failed."""

    def __init__(self, server: SSHServer) -> None:
        self.server = server
        self.done = 0
        self.failed: list[str] = []

    def work(self, finished: threading.Event) -> None:
        while not finished.is_set():
            for attempt in (self.greeted, self.listed):
                done = attempt()
                self.done += 1
                if done.returncode:
                    self.failed.append(done.stderr)

    def greeted(self) -> subprocess.CompletedProcess[str]:
        command = [*self.server.ssh("ann"), f"{getpass.getuser()}@127.0.0.1"]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    def listed(self) -> subprocess.CompletedProcess[str]:
        return self.server.git("ann", "ls-remote", self.server.address("acme/rockets.git"))


def test_nobody_reads_permission_denied_while_the_database_restarts(cluster: PostgreSQL, service: Service) -> None:
    """The keys' command and the forced command ask three times and obey `Retry-After`, as GitLab Shell's do."""
    with running_sshd(service) as server:
        people = [Person(server) for _ in range(3)]
        finished = threading.Event()
        threads = [threading.Thread(target=person.work, args=(finished,)) for person in people]
        for thread in threads:
            thread.start()
        time.sleep(1)
        cluster.stop()
        time.sleep(STOPPED_SECONDS)
        cluster.start()
        finished.set()
        for thread in threads:
            thread.join()
        assert [person.failed for person in people] == [[], [], []], server.log.read_text()[-3000:]
        assert all(person.done >= 2 for person in people)
        assert service.ask("authorized_keys?key=x").status == 404, "and without a restart of the service"
