"""Addresses of Gitaly servers: what gRPC can call is accepted, and what it cannot is refused before it is tried."""

import subprocess
import sys

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client

from repositories.gitaly_address import address_problem
from tests.factories import StorageFactory, UserFactory

CALLABLE = [
    "unix:/run/gitaly/gitaly.socket",
    "unix:///run/gitaly.socket",
    "unix:gitaly.socket",
    f"unix:/{'a' * 106}",
    f"unix:/{'ü' * 53}",
    "tcp://localhost:8075",
    "tcp://gitaly-1.internal.:65535",
    "tcp://10.0.0.1:1",
    "tcp://my_gitaly:80",
    "tls://[::1]:8075",
    "tls://gitaly.example.com",
    "dns:gitaly:8075",
    "dns:/gitaly:8075",
    "dns:///gitaly.example.com:8075",
    "dns://1.1.1.1:53/gitaly:8075",
    "dns://[2606:4700::1111]:53/gitaly:8075",
    "dns+tls:gitaly.example.com:443",
    "dns+tls:///gitaly:443",
]
IMPOSSIBLE = [
    "",
    "gitaly",
    "http://gitaly:80",
    "unix:",
    "unix://relative",
    "unix:////",
    f"unix:/{'a' * 107}",
    f"unix:/{'a' * 240}",
    f"unix:/{'ü' * 54}",
    "unix:/a%00b",
    "unix:/a?b",
    "unix:/two words",
    "unix:/a\x00b",
    "tcp://",
    "tcp://:8075",
    "tcp://localhost:",
    "tcp://localhost:0",
    "tcp://localhost:65536",
    "tcp://localhost:99999",
    "tcp://localhost:٣",
    "tcp://localhost:-1",
    "tcp://localhost:80/path",
    "tcp://localhost:80?x",
    "tcp://user@localhost:80",
    "tcp://a:80,b:80",
    "tcp://%31:80",
    "tcp://[::1:80",
    "tcp://::1:80",
    "tcp://[fe80::1%25eth0]:80",
    "tcp://[localhost]:80",
    "tcp://a..b:80",
    "tcp://-a:80",
    f"tcp://{'a' * 64}:80",
    f"tcp://{'a.' * 130}b:80",
    "tcp://gitäly:80",
    "dns:",
    "dns:///",
    "dns://gitaly:80",
    "dns://1.1.1.1/gitaly:80",
    "dns://ns.example.com:53/gitaly:80",
    "dns:gitaly:99999",
    "dns+tls:",
    "dns+tls:///",
]


@pytest.mark.parametrize("address", CALLABLE)
def test_an_address_that_grpc_calls_is_accepted(address: str) -> None:
    assert address_problem(address) is None


@pytest.mark.parametrize("address", IMPOSSIBLE)
def test_an_address_that_grpc_cannot_call_is_refused_in_a_sentence(address: str) -> None:
    problem = address_problem(address)
    assert problem is not None
    assert problem.endswith(".")


def test_the_form_refuses_it(db: None) -> None:
    client = Client()
    client.force_login(UserFactory.create(username="root", admin=True))
    for address in IMPOSSIBLE:
        page = client.post("/admin/repositories/storage/add/", {"name": "second", "gitaly_address": address})
        assert page.status_code == 200
        assert "gitaly_address" in page.context["adminform"].form.errors, address


@pytest.mark.parametrize("address", ["tcp://localhost:99999", "dns:///", f"unix:/{'a' * 240}"])
def test_one_that_was_stored_all_the_same_is_never_called(db: None, capsys: pytest.CaptureFixture[str], address: str) -> None:
    storage = StorageFactory.create(name="second")
    with connection.cursor() as cursor:
        cursor.execute("UPDATE repositories_storage SET gitaly_address = %s WHERE id = %s", [address, storage.pk])
    with pytest.raises(CommandError):
        call_command("check_gitaly", "--json")
    told = capsys.readouterr().out
    assert "The storage's address is not valid. " in told
    assert "failed to connect" not in told


CALLS = """
import django
django.setup()
import grpc
from repositories.gitaly.channel import _open
for address in {addresses!r}:
    try:
        _open(address).unary_unary("/a/b", bytes, bytes)(b"", timeout=1)
    except grpc.RpcError as error:
        print(error.code().name)
"""


def test_grpc_writes_no_lines_of_its_own() -> None:
    """Its core prints each of these to stderr, past the formatter, unless it is told not to."""
    addresses = [f"unix:/{'a' * 240}", "dns:///", "unix://relative"]
    environment = {"DJANGO_SETTINGS_MODULE": "settings.base", "PATH": "/usr/bin:/bin"}
    command = [sys.executable, "-c", CALLS.format(addresses=addresses)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (["UNKNOWN"] * 3, "")
