"""What only a real server shows: chunked bodies, requests that are no HTTP, lines of the log.

gunicorn itself is asked over raw sockets, as an attacker or an odd client would.
"""

import json
import os
import shutil
import signal
import socket
import time
from collections.abc import Iterator

import pytest

from tests.live.service import Service, temporary_directory
from tests.servers import wait_until

pytestmark = [pytest.mark.live]


@pytest.fixture(scope="module")
def edge() -> Iterator[Service]:
    directory = temporary_directory()
    running = Service(directory, workers=2)
    running.start()
    running.seed({"users": [{"id": 2, "username": "ann"}]})
    yield running
    running.stop()
    shutil.rmtree(directory, ignore_errors=True)


def exchange(service: Service, request: bytes) -> tuple[int, bytes, bytes]:
    """Status, head and body of the answer to raw bytes."""
    with socket.create_connection(("127.0.0.1", service.port), timeout=300) as connection:
        connection.sendall(request)
        connection.settimeout(300)
        answer = b""
        while True:
            head, separator, body = answer.partition(b"\r\n\r\n")
            length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length")), None)
            if separator and length is not None and len(body) >= length:
                break
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
    return int(answer.split(b" ", 2)[1]), head, body


def chunked(service: Service, path: str, body: bytes, size: int = 7) -> tuple[int, bytes, bytes]:
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[at : at + size]), body[at : at + size]) for at in range(0, len(body), size))
    return exchange(service, _head(service, path) + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")


def _head(service: Service, path: str) -> bytes:
    return (
        f"POST /api/v4/internal/{path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"Gitlab-Shell-Api-Request: {service.shell_token()}\r\n"
    ).encode()


def test_a_chunked_body_says_the_same_as_one_with_a_length(edge: Service) -> None:
    values = {"user_id": 2, "protocol": "ssh", "action": "git-upload-pack", "project": "no/such"}
    status, _, body = chunked(edge, "allowed", json.dumps(values).encode())
    plain = edge.ask("allowed", values)
    assert (status, json.loads(body)) == (plain.status, plain.body)
    assert plain.status == 404


def test_a_chunked_body_above_the_limit_is_413(edge: Service) -> None:
    status, _, body = chunked(edge, "two_factor_config", b'{"a":"' + b"a" * (1 << 20) + b'"}', 65536)
    assert status == 413
    assert json.loads(body)["message"].startswith("413")


@pytest.mark.parametrize(("path", "size"), [("allowed", b"FFFFFFFFFFFF"), ("allowed", b"4000001"), ("two_factor_config", b"100001")])
def test_a_chunk_above_the_limit_is_413_before_any_of_it_has_come(edge: Service, path: str, size: bytes) -> None:
    """No byte of the chunk is ever sent, and the connection stays open: only its size can be what is answered."""
    status, _, body = exchange(edge, _head(edge, path) + b"Transfer-Encoding: chunked\r\n\r\n" + size + b"\r\n")
    assert status == 413
    assert json.loads(body)["message"].startswith("413")


@pytest.mark.parametrize("chunks", [b"zz\r\nab\r\n0\r\n\r\n", b"-1\r\n", b"5\r\nab\r\n0\r\n\r\nxxxxxxxx"])
def test_bad_chunks_are_a_4xx_in_json(edge: Service, chunks: bytes) -> None:
    status, head, body = exchange(edge, _head(edge, "allowed") + b"Transfer-Encoding: chunked\r\n\r\n" + chunks)
    assert status == 400
    assert b"application/json" in head
    assert json.loads(body)["message"].startswith("400")


MALFORMED = {
    "no HTTP": b"hello\r\n\r\n",
    "a method of control characters": b"\x01\x02 / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a version that is none": b"GET / HTTP/9.9\r\nHost: x\r\n\r\n",
    "a header without a colon": b"GET /livez HTTP/1.1\r\nHost x\r\n\r\n",
    "a folded header": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
    "a header name with a space": b"GET /livez HTTP/1.1\r\nHost : x\r\n\r\n",
    "a request line of 20,000 bytes": b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header of 40,000 bytes": b"GET /livez HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 40_000 + b"\r\n\r\n",
    "a thousand headers": b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 1_000 + b"\r\n",
    "two lengths": b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\na",
    "a length that is no number": b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1a\r\n\r\na",
    "a length and chunks": b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a coding nobody knows": b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
    "a compressed body in chunks": b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "an expectation nobody knows": b"POST /livez HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\nContent-Length: 0\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", MALFORMED.values(), ids=MALFORMED)
def test_a_request_that_is_no_http_is_a_4xx_in_json(edge: Service, request_bytes: bytes) -> None:
    """Contract: decisions 4: no request, whatever its headers, is answered by the WSGI server itself."""
    status, head, body = exchange(edge, request_bytes)
    assert 400 <= status < 500
    assert b"content-type: application/json" in head.lower()
    assert isinstance(json.loads(body)["message"], str)


def test_malformed_requests_are_counted(edge: Service) -> None:
    exchange(edge, b"hello\r\n\r\n")
    _, _, body = exchange(edge, b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    assert b'endpoint="malformed"' in body


def test_a_charset_that_is_no_encoding_does_not_reach_python(edge: Service) -> None:
    status, head, _ = exchange(edge, b"GET /livez?a=1 HTTP/1.1\r\nHost: x\r\nContent-Type: x/y; charset=hex\r\n\r\n")
    assert status == 200
    assert b"X-Request-Id" in head


def test_half_bodies_of_strangers_keep_nobody_waiting(edge: Service) -> None:
    """A body is read for a caller without a credential only at error tracking, by one thread at a time."""
    half = b"POST /api/v4/internal/error_tracking/allowed HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\nab"
    strangers = [socket.create_connection(("127.0.0.1", edge.port)) for _ in range(16)]
    try:
        for stranger in strangers:
            stranger.sendall(half)
        answers = [edge.ask("discover?user_id=2").status for _ in range(10)]
    finally:
        for stranger in strangers:
            stranger.close()
    assert answers == [200] * 10


def test_clients_that_do_not_close_their_end_hold_nobody_up(edge: Service) -> None:
    """Two seconds for each of them, in the thread that accepts connections, would be five minutes in each process."""
    strangers = [socket.create_connection(("127.0.0.1", edge.port)) for _ in range(300)]
    began = time.monotonic()
    try:
        for stranger in strangers:
            stranger.sendall(b"hello\r\n\r\n")
        for stranger in strangers[:10]:
            assert stranger.recv(65536).startswith(b"HTTP/1.1 400")
        answers = [edge.ask("discover?user_id=2").status for _ in range(10)]
    finally:
        for stranger in strangers:
            stranger.close()
    assert answers == [200] * 10
    assert time.monotonic() - began < 150  # the guard against a server that waits for each


def test_every_line_of_a_run_is_json_from_start_to_stop(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Start, requests, malformed ones, a reload, a killed worker and the stop: no line is gunicorn's own form."""
    directory = temporary_directory()
    running = Service(directory, workers=2)
    running.start()
    log = directory / "service.log"
    try:
        running.ask("check")
        exchange(running, MALFORMED["a header without a colon"])
        assert running.process is not None
        running.process.send_signal(signal.SIGHUP)
        wait_until(lambda: log.read_text().count("Worker exiting") >= 2, "the reload")
        worker = _workers_of(running)[0]
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: worker not in _workers_of(running) and len(_workers_of(running)) == 2, "another worker")
        assert running.ask("check").status == 200
    finally:
        running.stop()
    lines = log.read_text().splitlines()
    shutil.rmtree(directory, ignore_errors=True)
    assert len(lines) > 10
    for line in lines:
        entry = json.loads(line)
        assert entry["time"], line
        assert "exception" not in entry, line
    messages = " ".join(json.loads(line)["message"] for line in lines)
    for said in ("Starting gunicorn", "Booting worker", "Worker exiting", "malformed request", "Handling signal: term", "Shutting down"):
        assert said in messages, said


def _workers_of(service: Service) -> list[int]:
    assert service.process is not None
    children = f"/proc/{service.process.pid}/task/{service.process.pid}/children"
    for _ in range(50):
        try:
            with open(children) as file:  # noqa: PTH123  a file of the kernel's
                return [int(pid) for pid in file.read().split()]
        except OSError:
            time.sleep(0.1)
    return []
