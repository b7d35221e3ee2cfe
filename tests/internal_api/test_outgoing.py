"""Requests to addresses that people have entered: what they never reach, and how they end."""

import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from internal_api import outgoing
from internal_api.outgoing import OutgoingError, addresses_of, is_inside, parse_target, post
from tests.live.nginx import CERTIFICATE, SUBJECT
from tests.receiver import Receiver, answering, receiving, slowly

GUARD = 60
"""Seconds after which a test that hangs fails."""

pytestmark = pytest.mark.once


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running:
        yield running


def found(*addresses: str) -> Any:
    return lambda host, port, **options: [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in addresses]


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://example.com/",
        "example.com",
        "http://",
        "http:///path",
        "http://example.com:99999/",
        "http://example.com:0/",
        "http://ann:secret@example.com/",
        "http://example.com/a b",
        "http://example.com/\n",
        "http://exämple.com/",
        "http://[::1/",
        "http://example.com/" + "a" * 2048,
        "file:///etc/passwd",
        "gopher://example.com/",
    ],
)
def test_addresses_that_cannot_be_called(url: str) -> None:
    with pytest.raises(OutgoingError):
        parse_target(url)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "192.0.2.1", "198.18.0.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2002:a00:1::1", "2001:db8::1",
        "fec0::1", "feff::1", "::7f00:1", "::8.8.8.8", "64:ff9b:1::a00:1", "64:ff9b:1::808:808", "::ffff:0:127.0.0.1", "::ffff:0:8.8.8.8", "100::1",
        "2001::1", "2001:10::1", "2001:20::1", "3fff::1", "4000::1", "5f00::1", "8000::1", "192.88.99.1", "192.0.0.8", "203.0.113.1", "240.0.0.1",
        "::ffff:240.0.0.1", "64:ff9b::e000:1", "1fff::1",
    ],
)  # fmt: skip
def test_addresses_inside(address: str) -> None:
    assert is_inside(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"])
def test_addresses_of_the_open_internet(address: str) -> None:
    assert not is_inside(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0", "0x7f.1", "2130706433", "[::1]"])
def test_nothing_inside_is_asked_however_it_is_written(host: str, receiver: Receiver) -> None:
    with pytest.raises(OutgoingError, match=r"inside the network|cannot be found"):
        post(f"http://{host}:{receiver.port}/", b"{}", {}, allowed=[], seconds=GUARD)
    assert not receiver.received


def test_a_host_with_one_address_inside_is_not_asked_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", found("8.8.8.8", "10.0.0.7"))
    with pytest.raises(OutgoingError, match="inside the network"):
        addresses_of("example.com", 80, [])


def test_a_name_is_looked_up_once_and_what_was_judged_is_what_is_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second look-up might give another address (DNS rebinding)."""
    lookups: list[str] = []
    called: list[tuple[str, int]] = []

    def look_up(host: str, port: int, **options: Any) -> Any:
        lookups.append(host)
        return found("8.8.8.8")(host, port)

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        called.append(address)
        raise OSError("no network here")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OutgoingError, match="no network here"):
        post("https://example.com/", b"{}", {}, allowed=[], seconds=GUARD)
    assert (lookups, called) == (["example.com"], [("8.8.8.8", 443)])


@pytest.mark.parametrize("entry", ["ci.internal", "CI.internal", "ci.internal:80", "10.0.0.0/8", "10.0.0.7"])
def test_what_an_operator_names_is_allowed(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", found("10.0.0.7"))
    assert addresses_of("ci.internal", 80, [entry]) == ["10.0.0.7"]


@pytest.mark.parametrize("entry", ["ci.internal:81", "10.0.1.0/24", "internal", ""])
def test_what_an_operator_does_not_name_is_not(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", found("10.0.0.7"))
    with pytest.raises(OutgoingError):
        addresses_of("ci.internal", 80, [entry])


def test_body_headers_and_answer_travel(receiver: Receiver) -> None:
    reply = post(receiver.url, b'{"a": 1}', {"X-Gitlab-Event": "Push Hook"}, allowed=["127.0.0.1"], seconds=GUARD)
    assert (reply.status, reply.body) == (200, "thank you")
    assert 0 <= reply.duration_ms < 1000 * GUARD
    (received,) = receiver.received
    assert (received.path, received.raw) == ("/hook?x=1", b'{"a": 1}')
    assert (received.headers["X-Gitlab-Event"], received.headers["Host"]) == ("Push Hook", f"127.0.0.1:{receiver.port}")


def test_a_redirect_is_an_answer_and_is_not_followed(receiver: Receiver) -> None:
    receiver.answers, receiver.headers = [302], {"Location": receiver.url}
    assert post(receiver.url, b"{}", {}, allowed=["127.0.0.1"], seconds=GUARD).status == 302
    assert len(receiver.received) == 1


def test_a_large_answer_is_cut(receiver: Receiver) -> None:
    receiver.text = "x" * 1_000_000
    assert len(post(receiver.url, b"{}", {}, allowed=["127.0.0.1"], seconds=GUARD).body) == outgoing.MOST_OF_AN_ANSWER


def test_a_slow_receiver_is_left(receiver: Receiver) -> None:
    receiver.before = slowly(1)
    with pytest.raises(OutgoingError, match=r"No answer within 0\.2 seconds"):
        post(receiver.url, b"{}", {}, allowed=["127.0.0.1"], seconds=0.2)


def test_a_receiver_that_sends_a_byte_now_and_then_is_left_too() -> None:
    sent = 0
    with socket.create_server(("127.0.0.1", 0)) as server:

        def dribble() -> None:
            nonlocal sent
            connection, _ = server.accept()
            with connection, suppress(OSError):
                while sent < 200:
                    connection.sendall(b"H")
                    sent += 1
                    time.sleep(0.05)

        thread = threading.Thread(target=dribble)
        thread.start()
        with pytest.raises(OutgoingError, match="No answer within"):
            post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, allowed=["127.0.0.0/8"], seconds=0.3)
        thread.join()
    assert sent < 200, "it was left before it was done"


def test_a_header_that_cannot_be_sent_is_not_told(receiver: Receiver) -> None:
    with pytest.raises(OutgoingError) as told:
        post(receiver.url, b"{}", {"X-Gitlab-Token": "secret\n"}, allowed=["127.0.0.1"], seconds=GUARD)
    assert "secret" not in str(told.value)


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(OutgoingError, match="No connection to 127"):
        post(f"http://127.0.0.1:{port}/", b"{}", {}, allowed=["127.0.0.1"], seconds=GUARD)
    with pytest.raises(OutgoingError, match="cannot be found"):
        post("http://no-such-host.invalid/", b"{}", {}, allowed=[], seconds=GUARD)


def test_a_server_that_speaks_no_tls(receiver: Receiver) -> None:
    with pytest.raises(OutgoingError, match="The request failed"):
        post(receiver.url.replace("http:", "https:"), b"{}", {}, allowed=["127.0.0.1"], seconds=GUARD)


@pytest.fixture
def tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ssl.SSLContext]:
    """A server's context, whose certificate the system trusts."""
    subprocess.run([*CERTIFICATE, "-keyout", "key.pem", "-out", "cert.pem", *SUBJECT], check=True, cwd=tmp_path, capture_output=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    outgoing._tls.cache_clear()  # noqa: SLF001  what was trusted before
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    yield context
    outgoing._tls.cache_clear()  # noqa: SLF001  as it was


@contextmanager
def over_tls(context: ssl.SSLContext, pieces: list[bytes]) -> Iterator[int]:
    """A server that answers one request with these pieces, one now and then, and takes each off the list; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError), context.wrap_socket(server.accept()[0], server_side=True) as connection:
                connection.recv(65536)
                while pieces:
                    connection.sendall(pieces.pop(0))
                    time.sleep(0.05)

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join(GUARD)


def test_over_tls(tls: ssl.SSLContext) -> None:
    with over_tls(tls, [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n", b"thank ", b"you"]) as port:
        reply = post(f"https://localhost:{port}/", b"{}", {}, allowed=["localhost"], seconds=GUARD)
    assert (reply.status, reply.body) == (200, "thank ")


def test_a_certificate_of_another_host_is_refused(tls: ssl.SSLContext) -> None:
    with over_tls(tls, []) as port, pytest.raises(OutgoingError, match="certificate verify failed"):
        post(f"https://127.0.0.1:{port}/", b"{}", {}, allowed=["127.0.0.1"], seconds=GUARD)


def test_a_receiver_that_sends_a_byte_now_and_then_over_tls_is_left_too(tls: ssl.SSLContext) -> None:
    pieces = [b"H"] * 200
    with over_tls(tls, pieces) as port, pytest.raises(OutgoingError, match="No answer within"):
        post(f"https://localhost:{port}/", b"{}", {}, allowed=["localhost"], seconds=0.3)
    assert pieces, "it was left before it was done"


def test_a_receiver_that_never_answers_the_handshake_is_left_too() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(OutgoingError, match="No answer within"):
        post(f"https://localhost:{server.getsockname()[1]}/", b"{}", {}, allowed=["localhost"], seconds=0.3)


class Clock:
    """A stand-in for the module's clock that only moves when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


def test_one_deadline_holds_for_the_look_up_and_all_addresses_together(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, waits = Clock(), []
    monkeypatch.setattr(outgoing, "time", clock)

    def look_up(host: str, port: int, **options: Any) -> Any:
        clock.now += 3
        return found(*(f"8.8.8.{number}" for number in range(1, 9)))(host, port)

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        waits.append(timeout)
        clock.now += timeout
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    with pytest.raises(OutgoingError, match=r"No connection to example\.com: timed out"):
        post("http://example.com/", b"{}", {}, allowed=[], seconds=10)
    assert len(waits) == 8, "each address has its share"
    assert clock.now == pytest.approx(10)


def test_what_connecting_has_used_is_not_there_for_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, ours = Clock(), socket.socketpair()
    monkeypatch.setattr(outgoing, "time", clock)
    limits: list[float] = []

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        clock.now += 7
        return ours[0]

    def shorten(sock: socket.socket, seconds: float) -> None:
        limits.append(seconds)
        socket.socket.settimeout(sock, 0.01)

    monkeypatch.setattr(socket, "getaddrinfo", found("8.8.8.8"))
    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(outgoing._TimedSocket, "settimeout", shorten)  # noqa: SLF001  where each wait is limited
    with ours[1], pytest.raises(OutgoingError):
        post("http://example.com/", b"{}", {}, allowed=[], seconds=10)
    assert set(limits) == {3.0}


def test_name_servers_that_do_not_answer_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do threads pile up: a look-up cannot be interrupted, so only so many run at a time."""
    answered, started = threading.Event(), []

    def look_up(host: str, port: int, **options: Any) -> Any:
        started.append(host)
        answered.wait(60)
        return found("8.8.8.8")(host, port)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    for _ in range(outgoing.MOST_LOOKUPS):
        with pytest.raises(OutgoingError, match=r"The host example\.com was not found within 0\.01\d* seconds"):
            addresses_of("example.com", 80, [], 0.01)
    with pytest.raises(OutgoingError, match="the name servers do not answer"):
        addresses_of("example.com", 80, [], 60)
    answered.set()
    for _ in range(outgoing.MOST_LOOKUPS):
        assert outgoing._lookups.acquire(timeout=60)  # noqa: SLF001  each has ended
    for _ in range(outgoing.MOST_LOOKUPS):
        outgoing._lookups.release()  # noqa: SLF001  as it was
    assert len(started) == outgoing.MOST_LOOKUPS
    assert addresses_of("example.com", 80, [], 60) == ["8.8.8.8"]


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nX-A: a\0b\r\nX\x01-B: \x1b[31mred\x85\r\n\r\nbo\0dy\x1b[0m\nline",
        b"HTTP/1.1 299 O\0K\r\nX-A: a\0b\r\n\r\nbody\nline",
    ],
)
def test_control_characters_of_an_answer_are_left_out(answer: bytes) -> None:
    with answering(answer) as url:
        reply = post(url, b"{}", {}, allowed=["127.0.0.0/8"], seconds=GUARD)
    told = "".join((*reply.headers, *reply.headers.values(), reply.body.replace("\n", "")))
    assert "ab" in reply.headers.values()
    assert reply.body.endswith("\nline")
    assert told.isprintable()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP\0garbage the secret\r\n\r\n",
        b"\xff\xfe the secret\r\n",
        b"HTTP/1.1 the secret\0\r\n\r\n",
        b"",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nthe secret\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200,
        b"HTTP/1.1 200 " + b"the secret" * 10_000,
    ],
)
def test_an_answer_that_is_not_http_is_a_plain_failure(answer: bytes) -> None:
    with answering(answer) as url, pytest.raises(OutgoingError) as told:
        post(url, b"{}", {}, allowed=["127.0.0.0/8"], seconds=GUARD)
    assert str(told.value).isprintable()
    assert "the secret" not in str(told.value)
