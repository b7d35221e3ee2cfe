"""Redis as fleets run it: watched by sentinels, with TLS, full, or a replica of another."""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import redis

from tests.servers import START_SECONDS, MissingProgramsError, Redis, answers, free_port, wait_until

SERVICE = "primary"
"""What the sentinels call the Redis that they watch."""


def client(server: Redis) -> "redis.Redis":
    """A client for the test itself."""
    return redis.Redis(port=server.port, decode_responses=True, socket_timeout=START_SECONDS)


@dataclass
class Sentinels:
    """Three of Redis' sentinels, two of which must agree that the primary is gone; it is called so after a second."""

    primary: Redis
    options: Sequence[str] = ()
    tls: bool = False
    directory: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="sentinels-")))
    ports: list[int] = field(default_factory=list)
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, number: int = 3) -> None:
        program = shutil.which("redis-sentinel")
        if program is None:
            raise MissingProgramsError("Redis Sentinel is not installed (Debian: apt-get install redis-sentinel).")
        for _ in range(number):
            port = free_port()
            path = self.directory / f"{port}.conf"
            listen = [f"tls-port {port}", "port 0"] if self.tls else [f"port {port}"]
            lines = [
                *listen,
                "bind 127.0.0.1",
                f"dir {self.directory}",
                *self.options,
                f"sentinel monitor {SERVICE} 127.0.0.1 {self.primary.port} {number // 2 + 1}",
                f"sentinel down-after-milliseconds {SERVICE} 1000",
                f"sentinel failover-timeout {SERVICE} 5000",
            ]
            path.write_text("\n".join(lines) + "\n")
            self.ports.append(port)
            self.processes.append(subprocess.Popen([program, str(path)], stdout=subprocess.DEVNULL))
        for port in self.ports:
            wait_until(lambda port=port: answers(port), "a sentinel")

    def asked(self) -> "redis.Redis":
        """A client of the first sentinel."""
        return redis.Redis(port=self.ports[0], decode_responses=True, socket_timeout=START_SECONDS)

    def wait_until_known(self) -> None:
        """Wait until each sentinel knows the others and the replica, without which there is no failover."""
        for port in self.ports:
            sentinel = redis.Redis(port=port, decode_responses=True, socket_timeout=START_SECONDS)

            def knows(sentinel: "redis.Redis" = sentinel) -> bool:
                state: Any = sentinel.sentinel_master(SERVICE)
                return int(state["num-other-sentinels"]) == len(self.ports) - 1 and int(state["num-slaves"]) == 1

            wait_until(knows, "the sentinels' knowledge of each other")

    def fail_over(self) -> None:
        """Have another primary chosen while the present one is alive; as soon as the sentinels think a replica good enough."""

        def is_begun() -> bool:
            try:
                return bool(self.asked().sentinel_failover(SERVICE))
            except redis.ResponseError:
                return False

        wait_until(is_begun, "a failover that is asked for")

    def primary_port(self) -> int:
        address: Any = self.asked().sentinel_get_master_addr_by_name(SERVICE)
        return int(address[1])

    def stop(self) -> None:
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def url(self) -> str:
        """For REDIS_URL."""
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"


@contextmanager
def watched_pair() -> Iterator[tuple[Sentinels, Redis, Redis]]:
    """A primary, its replica, and three sentinels that know both."""
    primary = Redis()
    replica = Redis("--replicaof", f"127.0.0.1 {primary.port}")
    sentinels = Sentinels(primary)
    try:
        primary.start()
        replica.start()
        sentinels.start()
        sentinels.wait_until_known()
        yield sentinels, primary, replica
    finally:
        sentinels.stop()
        replica.stop()
        primary.stop()


@dataclass
class Certificates:
    """An authority, and a certificate of its for `localhost` and 127.0.0.1."""

    directory: Path

    def make(self) -> None:
        """With openssl's own command, as an administrator does."""
        script = """
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=authority -keyout ca.key -out ca.pem
        openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=redis -keyout redis.key -out redis.csr
        printf 'subjectAltName=DNS:localhost,IP:127.0.0.1' > extensions
        openssl x509 -req -in redis.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile extensions -out redis.pem
        """
        subprocess.run(["bash", "-ec", script], cwd=self.directory, check=True, capture_output=True)

    @property
    def authority(self) -> Path:
        return self.directory / "ca.pem"

    @property
    def settings(self) -> dict[str, str]:
        """For redis.conf."""
        return {
            "tls-cert-file": str(self.directory / "redis.pem"),
            "tls-key-file": str(self.directory / "redis.key"),
            "tls-ca-cert-file": str(self.authority),
            "tls-auth-clients": "no",
        }
