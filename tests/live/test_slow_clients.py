"""Clients that send part of a request and then nothing, or a byte now and then, straight at the service."""

import resource
import select
import shutil
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from internal_api.http.body_waits import SILENT_SECONDS
from tests.live.service import Service, temporary_directory

pytestmark = [pytest.mark.live]
THREADS = 4
GUARD = 300


@pytest.fixture(scope="module")
def edge() -> Iterator[Service]:
    directory = temporary_directory()
    running = Service(directory, workers=1, variables={"WEB_THREADS": str(THREADS)})
    running.start()
    running.seed({"users": [{"id": 2, "username": "ann"}]})
    yield running
    running.stop()
    shutil.rmtree(directory, ignore_errors=True)


def connection(service: Service, data: bytes = b"") -> socket.socket:
    opened = socket.create_connection(("127.0.0.1", service.port), timeout=GUARD)
    opened.sendall(data)
    return opened


@pytest.mark.parametrize("data", [b"", b"GET /livez HTTP/1.1\r\nHost: local"])
def test_clients_without_a_whole_head_hold_no_thread(edge: Service, data: bytes) -> None:
    """None of them is closed before all requests are answered: only threads that are free can have answered."""
    strangers = [connection(edge, data) for _ in range(5 * THREADS)]
    try:
        assert edge.ask("discover?user_id=2").status == 200
    finally:
        for stranger in strangers:
            stranger.close()


def test_half_a_head_is_not_waited_for_without_end(edge: Service) -> None:
    with connection(edge, b"GET /livez HTTP/1.1\r\nHost: local") as stranger:
        assert stranger.recv(100) == b""


def test_a_head_in_pieces_is_one_request_and_pipelined_ones_are_two(edge: Service) -> None:
    with connection(edge, b"GET /livez HTTP/1.1\r\nHost: local") as client:
        time.sleep(0.2)
        client.sendall(b"host\r\n\r\nGET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answers = b""
        while piece := client.recv(65536):
            answers += piece
    assert answers.count(b"HTTP/1.1 200") == 2


def test_a_head_that_is_too_large_is_431(edge: Service) -> None:
    with connection(edge, b"GET /livez HTTP/1.1\r\n" + b"X-A: aaaaaaaa\r\n" * 8_000) as client:
        assert client.recv(100).startswith(b"HTTP/1.1 431 ")


def test_a_body_of_single_bytes_has_a_deadline(edge: Service) -> None:
    """A byte every few seconds keeps each single wait short; the whole takes BODY_SECONDS at most."""
    token = edge.shell_token()
    head = f"POST /api/v4/internal/pre_receive HTTP/1.1\r\nHost: localhost\r\nGitlab-Shell-Api-Request: {token}\r\n"
    with connection(edge, head.encode() + b"Content-Type: application/json\r\nContent-Length: 50000\r\n\r\n") as client:
        finished = threading.Event()

        def drip() -> None:
            while not finished.wait(3):
                try:
                    client.sendall(b" ")
                except OSError:
                    return

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        try:
            assert client.recv(100).startswith(b"HTTP/1.1 400 ")
        finally:
            finished.set()
            thread.join()


def test_clients_that_never_read_their_answers_hold_no_thread_without_end(edge: Service) -> None:
    """Each asks for more than the kernel's buffers hold."""
    strangers = []
    try:
        for _ in range(2 * THREADS):
            stranger = socket.socket()
            stranger.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            stranger.connect(("127.0.0.1", edge.port))
            stranger.sendall(b"GET /api/schema/ HTTP/1.1\r\nHost: localhost\r\n\r\n" * 30)
            strangers.append(stranger)
        time.sleep(20)  # until the buffers are full: strangers are answered at a pace
        assert edge.ask("discover?user_id=2").status == 200
    finally:
        for stranger in strangers:
            stranger.close()


SMALL = b"Host: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 5000\r\n\r\na"
CHUNKED = b"Host: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{"


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST /admin/login/",
        b"POST /admin/accounts/user/add/",
        b"POST /api/v4/internal/allowed",
        b"POST /api/v4/internal/error_tracking/allowed",
        b"POST /api/scim/v2/application/Users",
        b"POST /ann/app.git/info/lfs/objects/batch",
        b"PUT /ann/app.git/gitlab-lfs/objects/" + b"a" * 64 + b"/5000",
        b"POST /nothing/there",
        b"GET /livez",
        b"GET /docs/",
    ],
)
@pytest.mark.parametrize("rest", [SMALL, CHUNKED], ids=["length", "chunked"])
def test_clients_that_send_half_a_body_hold_no_thread(edge: Service, request_line: bytes, rest: bytes) -> None:
    """None of them is answered or closed before somebody else is. On a machine too busy to tell, it is tried again."""
    for _ in range(3):
        begin = time.monotonic()
        strangers = [connection(edge, request_line + b" HTTP/1.1\r\n" + rest) for _ in range(5 * THREADS)]
        try:
            time.sleep(0.2)
            assert edge.ask("discover?user_id=2").status == 200
            answered = select.select(strangers, [], [], 0)[0]
        finally:
            for stranger in strangers:
                stranger.close()
        if time.monotonic() - begin < SILENT_SECONDS:
            break
    assert not answered


def test_half_a_body_is_refused_like_one_that_has_ended(edge: Service) -> None:
    with connection(edge, b"POST /api/v4/internal/allowed HTTP/1.1\r\n" + SMALL) as stranger:
        assert stranger.recv(100).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("last", [b"0\r\n\r\n", b"0;x=y\r\nX-A: b\r\n\r\n", b"00\r\n\r\n"])
def test_a_chunked_body_in_pieces_is_whole_at_its_last_chunk(edge: Service, last: bytes) -> None:
    token = edge.shell_token().encode()
    head = b"POST /api/v4/internal/pre_receive HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    pieces = [b"11\r", b"\n" + b'{"gl_repository":', b"\r", b"\nC\r\n", b'"project-1"', b"}\r\n", last]
    with connection(edge, head + b"Gitlab-Shell-Api-Request: " + token + b"\r\nTransfer-Encoding: chunked\r\n\r\n") as client:
        for piece in pieces:
            time.sleep(0.05)
            client.sendall(piece)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_waits_for_permission_to_send_its_body_gets_it(edge: Service) -> None:
    body = b'{"gl_repository":"project-1"}'
    token = edge.shell_token().encode()
    head = b"POST /api/v4/internal/pre_receive HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    head += b"Expect: 100-continue\r\nGitlab-Shell-Api-Request: " + token + b"\r\nContent-Length: %d\r\n\r\n" % len(body)
    with connection(edge, head) as client:
        assert client.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert client.recv(100).startswith(b"HTTP/1.1 200 ")


LARGE = (
    b"Host: localhost\r\nCookie: csrftoken="
    + b"a" * 32
    + b"\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 900000\r\n\r\na"
)


@pytest.mark.parametrize(
    "request_line",
    [
        b"POST /admin/login/",
        b"POST /admin/accounts/user/add/",
        b"POST /api/v4/internal/allowed",
        b"POST /ann/app.git/info/lfs/objects/batch",
        b"POST /nothing/there",
    ],
)
def test_clients_that_send_part_of_a_large_body_leave_threads_to_others(edge: Service, request_line: bytes) -> None:
    """A thread at a time reads such a body of a caller that has proved nothing; the others refuse it."""
    strangers = [connection(edge, request_line + b" HTTP/1.1\r\n" + LARGE) for _ in range(5 * THREADS)]
    try:
        answered, end = list[socket.socket](), time.monotonic() + GUARD
        while len(answered) < len(strangers) - 1 and time.monotonic() < end:
            answered = select.select(strangers, [], [], 1)[0]
        assert edge.ask("discover?user_id=2").status == 200
        assert all(one.recv(12) in {b"HTTP/1.1 401", b"HTTP/1.1 403", b"HTTP/1.1 404", b"HTTP/1.1 503"} for one in answered)
    finally:
        for stranger in strangers:
            stranger.close()


def test_more_clients_than_there_are_connections_keep_nobody_out(edge: Service) -> None:
    """A process takes a thousand connections; those who have sent half a request longest ago make room."""
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, most), most))
    strangers: list[socket.socket] = []
    try:
        strangers.extend(connection(edge, b"GET /livez HTTP/1.1\r\nHost: local") for _ in range(1_200))
        assert edge.ask("discover?user_id=2").status == 200
    finally:
        for stranger in strangers:
            stranger.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))
