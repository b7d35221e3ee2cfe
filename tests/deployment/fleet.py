"""Several nodes of the service with one database, behind the load balancers that deploy/ has files for; and clients that never stop."""

import http.client
import itertools
import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.live.service import ROOT, Service, temporary_directory
from tests.live.test_faults import COMPANY, PULL, ZEROS
from tests.public_keys import ED25519
from tests.servers import START_SECONDS, MissingProgramsError, answers, free_port, wait_until

NAMES = ("one", "two", "three")
"""What deploy/haproxy.cfg calls the nodes."""
PAUSE = 0.02
"""Seconds between two requests of a client, or they would take the whole machine from other tests."""
_numbers = itertools.count(1)


@dataclass
class Client:
    """A caller that keeps its connection, as the Go clients do, and asks one thing after another."""

    port: int
    token: str
    statuses: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    connection: http.client.HTTPConnection | None = None

    def ask(self, path: str, values: dict[str, Any] | None = None, request_id: str = "") -> Any:
        """Ask one thing; the body of the answer. Whatever is not 200 is counted as a failure, and so is no answer."""
        endpoint = path.partition("?")[0]
        headers = {
            "Content-Type": "application/json",
            "Gitlab-Shell-Api-Request": self.token,
            "X-Request-Id": request_id or uuid.uuid4().hex,
        }
        body = None if values is None else json.dumps(values)
        if self.connection is None:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=START_SECONDS)
        try:
            self.connection.request("GET" if values is None else "POST", f"/api/v4/internal/{path}", body, headers)
            response = self.connection.getresponse()
            told = response.read()
        except (OSError, http.client.HTTPException) as error:
            self.failures.append(f"{time.strftime('%X')} {endpoint}: {error!r}")
            self.connection.close()
            self.connection = None
            return None
        self.statuses[endpoint] += 1
        if response.status != http.HTTPStatus.OK:
            self.failures.append(f"{time.strftime('%X')} {endpoint}: {response.status} {told[:200]!r}")
            return None
        return json.loads(told)

    def step(self) -> None:
        """What a log-in, a pull and a push ask."""
        self.ask(f"authorized_keys?key={quote(ED25519.split()[1], safe='')}")
        self.ask("discover?username=ann")
        self.ask("allowed", PULL)
        self.push()

    def push(self) -> None:
        """A push, in the three steps of Gitaly's hooks."""
        change = f"{ZEROS} {next(_numbers):040x} refs/heads/{uuid.uuid4().hex}"
        request_id = uuid.uuid4().hex
        self.ask("allowed", {**PULL, "action": "git-receive-pack", "changes": change}, request_id)
        self.ask("pre_receive", {"gl_repository": "project-1"}, request_id)
        self.ask("post_receive", {"identifier": "user-7", "gl_repository": "project-1", "changes": change}, request_id)


@dataclass
class Load:
    """Several clients that go on while a block runs."""

    clients: list[Client]

    @contextmanager
    def going(self) -> Iterator[None]:
        finished = threading.Event()

        def work(client: Client) -> None:
            while not finished.wait(PAUSE):
                client.step()

        threads = [threading.Thread(target=work, args=(client,)) for client in self.clients]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            finished.set()
            for thread in threads:
                thread.join()
            for client in self.clients:
                if client.connection is not None:
                    client.connection.close()

    @property
    def answers(self) -> int:
        return sum(sum(client.statuses.values()) for client in self.clients)

    @property
    def failures(self) -> list[str]:
        return [failure for client in self.clients for failure in client.failures]

    @property
    def pushes(self) -> int:
        """Reports that were acknowledged."""
        return sum(client.statuses["post_receive"] for client in self.clients)

    def tell(self, what: str, **figures: object) -> None:
        """For `make chaos`."""
        told = {"answers": self.answers, "failures": len(self.failures), **figures}
        sys.stdout.write(f"\n{what}: " + ", ".join(f"{name} {value}" for name, value in told.items()) + "\n")


class HAProxy:
    """HAProxy with the file that is shipped; only addresses are others."""

    def __init__(self, directory: Path, ports: list[int]) -> None:
        self.program = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
        if self.program is None:
            raise MissingProgramsError("HAProxy is not installed (Debian: apt-get install haproxy).")
        self.port, self.socket = free_port(), directory / "admin.sock"
        text = (ROOT / "deploy" / "haproxy.cfg").read_text()
        text = text.replace("bind :8080", f"bind 127.0.0.1:{self.port}").replace("/run/haproxy/admin.sock", str(self.socket))
        for name, host, port in zip(NAMES, ("10.0.0.21", "10.0.0.22", "10.0.0.23"), ports, strict=True):
            assert f"server {name} {host}:3001" in text
            text = text.replace(f"server {name} {host}:3001", f"server {name} 127.0.0.1:{port}")
        self.path, self.log = directory / "haproxy.cfg", directory / "haproxy.log"
        self.path.write_text(text)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([str(self.program), "-f", str(self.path), "-db"], stdout=log, stderr=log)
        wait_until(lambda: answers(self.port), "HAProxy")

    def command(self, text: str) -> str:
        """What its socket answers to an administrator."""
        with closing(socket.socket(socket.AF_UNIX)) as connection:
            connection.connect(str(self.socket))
            connection.sendall(f"{text}\n".encode())
            told = b""
            while part := connection.recv(65536):
                told += part
        return told.decode()

    def states(self) -> dict[str, str]:
        """Each node's state by its name, such as UP or DOWN. HAProxy calls a node UP before it has asked it: that is UNKNOWN here."""
        head, *rows = [line.lstrip("# ").split(",") for line in self.command("show stat").splitlines() if line.strip()]
        nodes = [row for row in (dict(zip(head, row, strict=True)) for row in rows) if row["svname"] in NAMES]
        return {node["svname"]: node["status"].split()[0] if node["check_status"].startswith("L7") else "UNKNOWN" for node in nodes}

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(START_SECONDS)


class Fleet:
    """Three nodes, one database."""

    def __init__(self, root: Path = ROOT, **variables: str) -> None:
        self.root, self.directory = root, temporary_directory()
        first = self._node(0, {"LOG_LEVEL": "WARNING", **variables})
        if "DATABASE_URL" in variables:
            first.manage("migrate", "--verbosity", "0")
        first.migrate()
        first.seed(COMPANY)
        shared = {
            name: first.environment[name] for name in ("DATABASE_URL", "GITLAB_SHELL_SECRET_FILE", "GITLAB_KAS_SECRET_FILE", "SECRET_KEY")
        }
        self.nodes = [first, *(self._node(number, {"LOG_LEVEL": "WARNING", **variables, **shared}) for number in (1, 2))]

    def _node(self, number: int, variables: dict[str, str]) -> Service:
        directory = self.directory / NAMES[number]
        directory.mkdir()
        directory.chmod(0o755)
        return Service(directory, workers=1, variables=variables, root=self.root)

    @property
    def token(self) -> str:
        return self.nodes[0].shell_token()

    def start(self) -> None:
        for node in self.nodes:
            node.start()

    def load(self, port: int, clients: int = 4) -> Load:
        return Load([Client(port, self.token) for _ in range(clients)])

    def stop(self) -> None:
        for node in self.nodes:
            if node.process is not None:
                node.process.kill()
                node.process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def fleet_behind_haproxy(root: Path = ROOT, **variables: str) -> Iterator[tuple[Fleet, HAProxy]]:
    """Three nodes that are up."""
    fleet = Fleet(root, **variables)
    balancer = HAProxy(fleet.directory, [node.port for node in fleet.nodes])
    try:
        fleet.start()
        balancer.start()
        wait_until(lambda: set(balancer.states().values()) == {"UP"}, "all nodes")
        yield fleet, balancer
    finally:
        balancer.stop()
        fleet.stop()


def restart_one_by_one(
    fleet: Fleet, balancer: HAProxy, between: Callable[[Service], None] = lambda _: None, *, by_hand: bool = False
) -> float:
    """Stop each node as systemd does, start it again, and wait until the balancer sends it requests; the longest stop in seconds.

    `by_hand` takes each node out of the balancer first, for versions that do not tell it themselves.
    """
    longest = 0.0
    for name, node in zip(NAMES, fleet.nodes, strict=True):
        if by_hand:
            balancer.command(f"set server control_plane/{name} state drain")
            time.sleep(2 * PAUSE)
        began = time.monotonic()
        node.stop()
        longest = max(longest, time.monotonic() - began)
        between(node)
        node.start()
        if by_hand:
            balancer.command(f"set server control_plane/{name} state ready")
        wait_until(lambda name=name: balancer.states()[name] == "UP", f"node {name}")
    return longest
