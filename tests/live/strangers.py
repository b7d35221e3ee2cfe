"""Hostile strangers: so many connections that send one request over and over, in a process of their own.

They are the most impatient clients there can be: nothing is parsed but the status, and the next request leaves with the last
byte of the answer. What they cannot show: a network, and more addresses than `X-Forwarded-For` names.
"""

import argparse
import json
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

FORGED = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpc3MiOiJnaXRsYWItc2hlbGwiLCJpYXQiOjEsImV4cCI6OTk5OTk5OTk5OX0.c2lnbmF0dXJl"
FORM = "application/x-www-form-urlencoded"
MANY_FIELDS = b"a=&" * 100_000


def request(line: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    """One request with its length."""
    lines = [f"{line} HTTP/1.1", "Host: localhost"] + [f"{name}: {value}" for name, value in headers.items()]
    if body or line.startswith("POST"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def somebody(number: int) -> dict[str, str]:
    """Each request comes from another address of one /64, behind a proxy."""
    return {"X-Forwarded-For": f"2001:db8:0:1::{number % 65536:x}"}


def sign_in(number: int) -> bytes:
    csrf = "a" * 32
    body = f"csrfmiddlewaretoken={csrf}&username=root&password=guess-{number}".encode()
    headers = {"Cookie": f"__Host-csrf={csrf}; csrftoken={csrf}", "Content-Type": FORM, "Referer": "https://localhost/admin/login/"}
    from_anywhere = {"X-Forwarded-For": f"2001:db8:{number % 65536:x}::1"}  # a limit by address is no help
    return request("POST /admin/login/", headers | from_anywhere, body)


def sign_in_with_many_fields(number: int) -> bytes:
    return request("POST /admin/login/", {"Cookie": "csrftoken=" + "a" * 32, "Content-Type": FORM} | somebody(number), MANY_FIELDS)


def forged_shell_token(number: int) -> bytes:
    headers = {"Gitlab-Shell-Api-Request": FORGED, "Content-Type": "application/json"}
    return request("POST /api/v4/internal/allowed", headers | somebody(number), b'{"key_id": 11, "project": "acme/rockets"}')


def forged_kas_token(number: int) -> bytes:
    headers = {"Gitlab-Kas-Api-Request": FORGED, "Content-Type": "application/json"}
    return request("POST /api/v4/internal/kubernetes/usage_metrics", headers | somebody(number), b"{}")


def forged_scim_token(number: int) -> bytes:
    headers = {"Authorization": f"Bearer glscim-{number:020d}"}
    return request("GET /api/scim/v2/groups/acme/Users?filter=userName%20eq%20%22ann%22", headers | somebody(number))


def forged_access_token(number: int) -> bytes:
    headers = {"PRIVATE-TOKEN": f"glpat-{number:020d}", "Content-Type": "application/json"}
    body = b'{"reason": "' + b"a" * 100_000 + b'"}'
    return request("POST /api/v4/namespaces/1/storage/limit_exclusion", headers | somebody(number), body)


def error_tracking(number: int) -> bytes:
    body = b'{"public_key": "' + b"a" * 60_000 + b'", "project_id": 1}'
    return request("POST /api/v4/internal/error_tracking/allowed", {"Content-Type": "application/json"} | somebody(number), body)


def descriptions(number: int) -> bytes:
    return request(f"GET {('/api/schema/', '/docs/')[number % 2]}", somebody(number))


def malformed(number: int) -> bytes:
    headers = {"Content-Type": "x/y; charset=hex", "Transfer-Encoding": "chunked", "Gitlab-Shell-Api-Request": "a" * 8000}
    return request("GET /api/v4/internal/check?a=%00%ff", headers | somebody(number)) + b"zz\r\n"


DOORS: dict[str, Callable[[int], bytes]] = {
    "sign-in": sign_in,
    "sign-in with many fields": sign_in_with_many_fields,
    "forged shell token": forged_shell_token,
    "forged kas token": forged_kas_token,
    "forged SCIM token": forged_scim_token,
    "forged access token": forged_access_token,
    "error tracking": error_tracking,
    "descriptions": descriptions,
    "malformed": malformed,
}

PATIENCE = 30
"""Seconds that each door has to answer at least once: on a busy machine the time of the test may be over before."""


class Stranger:
    """One connection, made anew whenever it is closed."""

    def __init__(self, port: int, door: str, numbers: Iterator[int]) -> None:
        self.port, self.door, self.numbers = port, door, numbers
        self.statuses: Counter[str] = Counter()
        self.connection: socket.socket | None = None

    def once(self) -> None:
        """Send the next request and read the answer, whatever it is."""
        data = DOORS[self.door](next(self.numbers))
        is_new = self.connection is None
        try:
            if self.connection is None:
                self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=300)
            with suppress(OSError):  # refused before all of it was read: the answer may be there
                self.connection.sendall(data)
            self._read(self.connection)
        except OSError:
            if is_new:
                self.statuses["none"] += 1
            self._close()  # a kept connection may have been closed behind the last answer

    def _read(self, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            part = connection.recv(65536)
            if not part:
                raise OSError
            head += part
        head, _, body = head.partition(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        self.statuses[head.split(b" ", 2)[1].decode()] += 1
        left = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length:")), 0) - len(body)
        while left > 0:
            part = connection.recv(65536)
            if not part:
                break
            left -= len(part)
        if b"connection: close" in lines:
            self._close()

    def _close(self) -> None:
        if self.connection is not None:
            self.connection.close()
        self.connection = None


def main() -> None:
    """Be hostile until standard input ends, then tell the answers by door."""
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("--each", type=int, default=4)
    parser.add_argument("doors", nargs="+", choices=DOORS)
    options = parser.parse_args()
    numbers = count()
    strangers = [Stranger(options.port, door, numbers) for door in options.doors for _ in range(options.each)]
    finished = threading.Event()

    def work(stranger: Stranger) -> None:
        while not finished.is_set():
            stranger.once()

    threads = [threading.Thread(target=work, args=[one], daemon=True) for one in strangers]
    for thread in threads:
        thread.start()
    sys.stdin.read()
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience and {one.door for one in strangers if one.statuses} != {*options.doors}:
        time.sleep(0.05)
    finished.set()
    time.sleep(0.2)
    told: dict[str, Counter[str]] = {door: Counter() for door in options.doors}
    for one in strangers:
        told[one.door].update(one.statuses)
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
