"""Host names are looked up in bounded time, whatever the name servers do."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from internal_api import name_lookup
from internal_api.name_lookup import NameLookupError, addresses_of, is_name
from internal_api.postgresql.connection import with_addresses
from internal_api.shared_store import SharedStoreError
from internal_api.shared_store.redis import RedisStore

ANSWER = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.7", 0)), (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.8", 0))]
GUARD = 30
"""Seconds after which a test that hangs fails."""


class NameServer:
    """What `getaddrinfo` finds, unless it does not answer."""

    def __init__(self) -> None:
        self.answers = threading.Event()
        self.answers.set()
        self.asked: list[str] = []
        self.error: OSError | None = None

    def getaddrinfo(self, host: str, *_: Any, **__: Any) -> list[Any]:
        self.asked.append(host)
        assert self.answers.wait(GUARD)
        if self.error is not None:
            raise self.error
        return ANSWER


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    server = NameServer()
    name_lookup.forget()
    monkeypatch.setattr("internal_api.name_lookup.socket.getaddrinfo", server.getaddrinfo)
    yield server
    server.answers.set()
    for thread in threading.enumerate():  # else what one finds late is known to the next test
        if thread.name.startswith("look up "):
            thread.join(GUARD)
    name_lookup.forget()


@pytest.mark.parametrize(
    ("host", "expected"),
    [("db.example", True), ("localhost", True), ("127.0.0.1", False), ("::1", False), ("/run/postgresql", False), ("", False)],
)
def test_what_has_to_be_looked_up(host: str, expected: bool) -> None:
    assert is_name(host) is expected


def test_an_answer_is_used_for_a_while(server: NameServer) -> None:
    assert addresses_of("db.example") == ("192.0.2.7", "192.0.2.8")
    assert addresses_of("db.example") == ("192.0.2.7", "192.0.2.8")
    assert server.asked == ["db.example"]


def test_a_name_server_that_does_not_answer_is_not_waited_for(server: NameServer) -> None:
    """Two callers cause one look-up; what it finds in the end is used by the next one."""
    server.answers.clear()
    for _ in range(2):
        with pytest.raises(NameLookupError, match=r"db\.example could not be looked up: no name server has answered"):
            addresses_of("db.example", 0.05)
    assert server.asked == ["db.example"]
    server.answers.set()
    assert addresses_of("db.example", GUARD) == ("192.0.2.7", "192.0.2.8")


def test_old_addresses_serve_while_nobody_answers(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses_of("db.example")
    monkeypatch.setattr(name_lookup, "FRESH", 0)
    server.answers.clear()
    assert addresses_of("db.example", 0.05) == ("192.0.2.7", "192.0.2.8")
    server.answers.set()
    server.error = socket.gaierror(-3, "Temporary failure in name resolution")
    assert addresses_of("db.example", GUARD) == ("192.0.2.7", "192.0.2.8")


def test_threads_that_wait_for_name_servers_are_few(server: NameServer) -> None:
    server.answers.clear()
    for number in range(20):
        with pytest.raises(NameLookupError):
            addresses_of(f"db{number}.example", 0.01)
    assert len(server.asked) <= 8


def test_a_name_that_does_not_exist(server: NameServer) -> None:
    server.error = socket.gaierror(-2, "Name or service not known")
    with pytest.raises(NameLookupError, match="Name or service not known"):
        addresses_of("nowhere.example", GUARD)


def test_a_database_is_given_its_addresses(server: NameServer) -> None:
    """The name stays, for the certificate; each address has its turn."""
    assert with_addresses({"host": "db.example", "port": "5432"}) == {
        "host": "db.example,db.example",
        "hostaddr": "192.0.2.7,192.0.2.8",
        "port": "5432",
    }
    for given in (
        {"host": "127.0.0.1"},
        {"host": "/run/postgresql"},
        {},
        {"host": "127.0.0.1,127.0.0.2"},
        {"host": "a", "hostaddr": "192.0.2.1"},
    ):
        assert with_addresses(given) == given


def test_each_of_several_hosts_is_given_its_addresses_and_its_port(server: NameServer) -> None:
    assert with_addresses({"host": "a.example,10.0.0.9", "port": "5432,5433", "target_session_attrs": "read-write"}) == {
        "host": "a.example,a.example,10.0.0.9",
        "hostaddr": "192.0.2.7,192.0.2.8,10.0.0.9",
        "port": "5432,5432,5433",
        "target_session_attrs": "read-write",
    }


def test_of_several_hosts_one_that_cannot_be_looked_up_is_left_out(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(name_lookup, "SECONDS", 0.05)
    server.answers.clear()
    assert with_addresses({"host": "a.example,10.0.0.9", "port": "5432,5433"}) == {
        "host": "10.0.0.9",
        "hostaddr": "10.0.0.9",
        "port": "5433",
    }


def test_a_database_whose_name_server_does_not_answer_is_an_error_of_the_database(
    server: NameServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(name_lookup, "SECONDS", 0.05)
    server.answers.clear()
    with pytest.raises(psycopg.OperationalError, match="could not be looked up"):
        with_addresses({"host": "db.example"})


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_redis_whose_name_server_does_not_answer_is_away(server: NameServer, scheme: str) -> None:
    server.answers.clear()
    store, began = RedisStore(f"{scheme}://redis.example:6379/0"), time.monotonic()
    with pytest.raises(SharedStoreError):
        store.get("key")
    assert time.monotonic() - began < GUARD
    assert server.asked == ["redis.example"]
    assert not store.is_healthy()


def test_a_redis_by_its_name(server: NameServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is connected to by the addresses that were found."""
    tried: list[Any] = []

    class Refused(socket.socket):
        def connect(self, address: Any) -> None:
            tried.append(address)
            raise ConnectionRefusedError

    monkeypatch.setattr("internal_api.name_lookup.socket.getaddrinfo", forward(server))
    monkeypatch.setattr("redis.connection.socket.socket", Refused)
    with pytest.raises(SharedStoreError):
        RedisStore("redis://redis.example:6379/0").get("key")
    assert set(tried) == {("192.0.2.7", 6379)}


def forward(server: NameServer) -> Callable[..., list[Any]]:
    """Answers for names; an IP address stands for itself."""

    def getaddrinfo(host: str, port: Any, *arguments: Any, **keywords: Any) -> list[Any]:
        if is_name(host):
            return server.getaddrinfo(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    return getaddrinfo
