"""Playing recorded requests at a server with wrk, and what that cost."""

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_SCRIPT = Path(__file__).with_suffix(".lua")


class LoadError(Exception):
    """The load could not be made, or the server did not answer it; one sentence."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """One request as it travels; `headers` without those that every request has."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes = b""

    def on_the_wire(self, *, close: bool) -> bytes:
        """The request's bytes; with `close` the server ends the connection, as Go clients of the internal API ask it to."""
        headers = {"Host": "localhost", **self.headers, **({"Connection": "close"} if close else {})}
        if self.body:
            headers |= {"Content-Type": "application/json", "Content-Length": str(len(self.body))}
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"{self.method} {self.path} HTTP/1.1\r\n{lines}\r\n".encode() + self.body


@dataclass(frozen=True, slots=True)
class Measured:
    """What wrk saw; times in milliseconds."""

    requests: int
    per_second: float
    p50: float
    p99: float


def write_requests(path: Path, requests: Sequence[Recorded], *, close: bool = False) -> Path:
    """Make the file that wrk plays."""
    with path.open("wb") as file:
        for request in requests:
            wire = request.on_the_wire(close=close)
            file.write(str(len(wire)).encode() + b"\n" + wire)
    return path


def play(port: int, requests: Path, *, seconds: int, connections: int = 8) -> Measured:
    """Ask for that long, all connections at once, each as soon as it is answered. Raises LoadError for any answer above 399."""
    program = shutil.which("wrk")
    if program is None:
        raise LoadError("wrk is not installed (Debian: apt-get install wrk).")
    threads = 1 if connections < 2 else 2  # noqa: PLR2004  a thread for each core at most
    command = [program, f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "-s", str(_SCRIPT), f"http://127.0.0.1:{port}/", "--"]
    done = subprocess.run([*command, str(requests)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise LoadError(f"wrk failed: {done.stderr or done.stdout}")
    found = json.loads(done.stdout.rstrip().rpartition("\n")[2])
    if not found["requests"]:
        raise LoadError(f"Nothing was answered within {seconds} s.")
    if found["refused"]:
        raise LoadError(f"{found['refused']} of {found['requests']} requests were refused.")
    microseconds = found["microseconds"]
    return Measured(found["requests"], found["requests"] / microseconds * 1e6, found["p50"] / 1000, found["p99"] / 1000)
