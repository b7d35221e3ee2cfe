"""Gitaly's client against a real gRPC server and real repositories (contract: gitaly 4 and 6, decisions 23)."""

import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import grpc
import pytest
from pytest_django.fixtures import Settings

from repositories.gitaly import admission
from repositories.gitaly.channel import authorization, channel_to
from repositories.gitaly.client import GitalyClient
from repositories.gitaly.errors import (
    GitalyAwayError,
    GitalyBusyError,
    GitalyRefusedError,
    GitalyTooSlowError,
    GitalyUnavailableError,
    RepositoryExistsError,
    RepositoryNotFoundError,
)
from repositories.gitaly.values import RepositoryRef, StorageAddress
from tests.gitaly_server import FakeGitaly, running
from tests.servers import wait_until

PLACE = "@hashed/aa/bb/repository.git"
ROCKETS = RepositoryRef("default", PLACE, "project-7", "acme/rockets")
TOKEN = "abc123secret"
MISSING = "9" * 40
GUARD = 60.0
"""Seconds after which a test that hangs fails."""


@pytest.fixture(params=["tcp", "unix"])
def gitaly(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeGitaly]:
    """A server with a token, reached both ways."""
    directory = tmp_path_factory.mktemp("g")
    listen = f"unix:{directory}/s" if request.param == "unix" else "127.0.0.1:0"
    with running(directory / "storages", token=TOKEN, listen=listen) as server:
        yield server


@pytest.fixture
def client(gitaly: FakeGitaly) -> GitalyClient:
    return GitalyClient(
        StorageAddress("default", gitaly.address, TOKEN), [("x-gitlab-correlation-id", "01H"), ("relative-path-bin", b"snap.git")]
    )


@pytest.fixture
def commits(gitaly: FakeGitaly, tmp_path: Path) -> list[str]:
    """Two commits on main, and one beside them that main does not hold."""
    bare = gitaly.make(PLACE)
    work = tmp_path / "work"

    def git(*arguments: str) -> str:
        identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
        done = subprocess.run(["git", *arguments], cwd=work, check=True, capture_output=True, text=True, env={**os.environ, **identity})
        return done.stdout.strip()

    work.mkdir()
    git("init", "--quiet", "--initial-branch=main")
    found = []
    for number in range(2):
        git("commit", "--quiet", "--allow-empty", "-m", f"commit {number}")
        found.append(git("rev-parse", "HEAD"))
    git("push", "--quiet", str(bare), "main")
    git("checkout", "--quiet", "-b", "side", found[0])
    git("commit", "--quiet", "--allow-empty", "-m", "side")
    found.append(git("rev-parse", "HEAD"))
    git("push", "--quiet", str(bare), "side")
    return found


def test_the_token_of_the_contract() -> None:
    """Contract: gitaly 4.2, the vector."""
    assert authorization(TOKEN, 1700000000) == "Bearer v2.34f3badcbdb7ed895e3610936a58e688bae8b11d5491c8a55423fd02a0d2ab94.1700000000"


def test_what_git_knows(client: GitalyClient, commits: list[str]) -> None:
    first, second, side = commits
    assert client.is_ancestor(ROCKETS, first, second, seconds=GUARD)
    assert client.is_ancestor(ROCKETS, first, first, seconds=GUARD)
    assert not client.is_ancestor(ROCKETS, second, side, seconds=GUARD)
    assert not client.is_ancestor(ROCKETS, MISSING, second, seconds=GUARD)
    assert client.missing_objects(ROCKETS, [first, MISSING, second, MISSING], seconds=GUARD) == {MISSING}
    assert client.has_commits(ROCKETS, [side, "--not", "refs/heads/main"], seconds=GUARD)
    assert not client.has_commits(ROCKETS, [first, "--not", "refs/heads/main"], seconds=GUARD)
    assert client.has_branches(ROCKETS, seconds=GUARD)
    assert client.default_branch(ROCKETS, seconds=GUARD) == "refs/heads/main"


def test_what_goes_along_with_a_call(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    """Contract: gitaly 4.2, 4.6."""
    client.has_branches(ROCKETS, seconds=GUARD)
    assert gitaly.metadata["x-gitlab-correlation-id"] == "01H"
    assert gitaly.metadata["relative-path-bin"] == b"snap.git"


def test_new_objects_are_seen_in_quarantine_only(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    """Gitaly 6 #32: without the two fields a fast-forward looks like a forced update."""
    bare = gitaly.path_of("default", PLACE)
    quarantine = bare / "objects" / "tmp_objdir-incoming-X"
    quarantine.mkdir()
    environment = {
        **os.environ,
        "GIT_OBJECT_DIRECTORY": str(quarantine),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(bare / "objects"),
        "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
    }  # fmt: skip
    command = ["git", "--git-dir", str(bare), "commit-tree", f"{commits[1]}^{{tree}}", "-p", commits[1], "-m", "new"]
    new = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()
    inside = replace(ROCKETS, git_object_directory="objects/tmp_objdir-incoming-X", git_alternate_object_directories=("objects",))
    assert client.is_ancestor(inside, commits[1], new, seconds=GUARD)
    assert not client.is_ancestor(ROCKETS, commits[1], new, seconds=GUARD)
    assert client.missing_objects(ROCKETS, [new], seconds=GUARD) == {new}
    assert client.missing_objects(inside, [new], seconds=GUARD) == set()


def test_thousands_of_objects_are_one_call(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    gitaly.calls.clear()
    assert len(client.missing_objects(ROCKETS, [f"{number:040x}" for number in range(1, 2501)], seconds=GUARD)) == 2500
    assert gitaly.calls == ["CheckObjectsExist"]


def test_repositories_are_made_and_removed(client: GitalyClient, gitaly: FakeGitaly) -> None:
    """Gitaly 6 #77: a call that changes something never carries a quarantine."""
    quarantined = replace(ROCKETS, git_object_directory="objects/x", git_alternate_object_directories=("objects",))
    assert not client.repository_exists(ROCKETS, seconds=GUARD)
    client.create_repository(quarantined, "trunk", seconds=GUARD)
    assert client.repository_exists(ROCKETS, seconds=GUARD)
    assert not client.has_branches(ROCKETS, seconds=GUARD)
    assert client.default_branch(ROCKETS, seconds=GUARD) is None
    with pytest.raises(RepositoryExistsError):
        client.create_repository(ROCKETS, "main", seconds=GUARD)
    client.remove_repository(quarantined, seconds=GUARD)
    with pytest.raises(RepositoryNotFoundError):
        client.remove_repository(ROCKETS, seconds=GUARD)
    with pytest.raises(RepositoryNotFoundError):
        client.has_branches(ROCKETS, seconds=GUARD)


def test_head_is_read_and_set(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    """Contract: gitaly 4.4, WriteRef with ref HEAD."""
    inside = replace(ROCKETS, git_object_directory="objects/x", git_alternate_object_directories=("objects",))
    client.set_head(inside, "refs/heads/side", seconds=GUARD)
    assert client.head(ROCKETS, seconds=GUARD) == "refs/heads/side"
    assert client.default_branch(ROCKETS, seconds=GUARD) == "refs/heads/side"
    client.set_head(ROCKETS, "refs/heads/trunk", seconds=GUARD)
    assert client.head(ROCKETS, seconds=GUARD) == "refs/heads/trunk"
    assert client.default_branch(ROCKETS, seconds=GUARD) == "refs/heads/main"
    wanted = ["refs/heads/main", "refs/heads/trunk", "refs/heads/sid"]
    assert client.existing_refs(ROCKETS, wanted, seconds=GUARD) == {"refs/heads/main"}


def test_size_is_in_bytes(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    """Contract: gitaly 4.4, RepositorySize counts in KiB."""
    before = client.repository_size(ROCKETS, seconds=GUARD)
    assert before % 1024 == 0
    (gitaly.path_of("default", PLACE) / "large").write_bytes(bytes(50 * 1024))
    assert client.repository_size(ROCKETS, seconds=GUARD) - before == 50 * 1024
    with pytest.raises(RepositoryNotFoundError):
        client.repository_size(replace(ROCKETS, relative_path="none.git"), seconds=GUARD)


def test_call_refused_at_once_is_made_again(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    """What a proxy that closes idle connections does."""
    gitaly.unavailable = 2
    assert client.has_branches(ROCKETS, seconds=GUARD)
    gitaly.unavailable = 2
    assert client.missing_objects(ROCKETS, [commits[0], MISSING], seconds=GUARD) == {MISSING}
    gitaly.unavailable = 3
    with pytest.raises(GitalyUnavailableError):
        client.has_branches(ROCKETS, seconds=5)
    assert gitaly.unavailable == 0


def test_call_without_time_left_is_not_made_again(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    gitaly.unavailable = 2
    with pytest.raises(GitalyUnavailableError):
        client.has_branches(ROCKETS, seconds=0.04)


def test_a_server_tells_of_itself(client: GitalyClient) -> None:
    info = client.server_info(seconds=GUARD)
    assert (info.version, info.git_version, info.storages) == ("16.7.0-fake", "2.39.0", {"default": (True, True)})


def test_an_unknown_storage_is_a_mistake_not_a_missing_repository(client: GitalyClient) -> None:
    """Gitaly 6 #79."""
    with pytest.raises(GitalyRefusedError, match="storage name not found"):
        client.repository_exists(replace(ROCKETS, storage_name="other"), seconds=GUARD)


@pytest.mark.parametrize("token", [None, "another token"])
def test_a_token_that_is_not_known(gitaly: FakeGitaly, token: str | None) -> None:
    """Gitaly 6 #74."""
    with pytest.raises(GitalyRefusedError, match="token"):
        GitalyClient(StorageAddress("default", gitaly.address, token)).server_info(seconds=GUARD)


def test_a_clock_that_is_wrong_is_told_as_such(gitaly: FakeGitaly, client: GitalyClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gitaly 6 #73."""
    real = time.time
    monkeypatch.setattr(
        "repositories.gitaly.channel.time",
        type("Clock", (), {"time": staticmethod(lambda: real() + 31 + 60), "perf_counter": time.perf_counter, "monotonic": time.monotonic}),
    )
    with pytest.raises(GitalyRefusedError, match="clocks differ"):
        client.server_info(seconds=GUARD)


def test_slow_away_and_rubbish(gitaly: FakeGitaly, client: GitalyClient) -> None:
    """Nothing is guessed, and nobody waits longer than said."""
    gitaly.hang_seconds = 1
    with pytest.raises(GitalyUnavailableError, match="in time"):
        client.server_info(seconds=0.2)
    gitaly.hang_seconds = 0
    gitaly.rubbish = True
    with pytest.raises(GitalyUnavailableError):
        client.server_info(seconds=5)
    nobody = GitalyClient(StorageAddress("default", "tcp://127.0.0.1:1"))
    with pytest.raises(GitalyUnavailableError):
        nobody.server_info(seconds=5)


def test_a_channel_is_kept_and_shared_by_threads(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    assert channel_to(gitaly.address) is channel_to(gitaly.address)
    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(lambda _: client.has_branches(ROCKETS, seconds=GUARD), range(40)))


def test_another_process_makes_a_channel_of_its_own(gitaly: FakeGitaly, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = channel_to(gitaly.address)
    monkeypatch.setattr("repositories.gitaly.channel.os.getpid", lambda: 4711)
    assert channel_to(gitaly.address) is not mine


def test_a_name_is_looked_up(gitaly: FakeGitaly) -> None:
    """The `dns:` form of an address; a Unix socket has no name."""
    if gitaly.address.startswith("tcp://"):
        address = gitaly.address.replace("tcp://127.0.0.1", "dns:localhost")
        assert GitalyClient(StorageAddress("default", address, TOKEN)).server_info(seconds=GUARD).version == "16.7.0-fake"


@pytest.mark.parametrize("scheme", ["tls://", "dns+tls:"])
def test_tls_is_spoken_with_the_authority_that_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scheme: str) -> None:
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-keyout", "key.pem", "-out", "cert.pem", *subject]
    subprocess.run(command, check=True, cwd=tmp_path, capture_output=True)
    certificate = (tmp_path / "cert.pem").read_bytes()
    credentials = grpc.ssl_server_credentials([((tmp_path / "key.pem").read_bytes(), certificate)])
    with running(tmp_path / "storages", token=TOKEN, credentials=credentials) as server:
        address = server.address.replace("tls://", scheme)
        with pytest.raises(GitalyUnavailableError):
            GitalyClient(StorageAddress("default", address, TOKEN)).server_info(seconds=5)
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
        monkeypatch.setattr("repositories.gitaly.channel._channels", {})
        assert GitalyClient(StorageAddress("default", address, TOKEN)).server_info(seconds=GUARD).version == "16.7.0-fake"


def test_questions_of_one_push_are_asked_together(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    """None is answered before all have come; one after the other they would not end."""
    first, second, side = commits
    together = threading.Barrier(6)
    gitaly.before = lambda name: together.wait(GUARD)
    pairs = [(first, second), (second, side), (first, side), (side, second), (first, first), (second, second)]
    answers = client.are_ancestors(ROCKETS, pairs, seconds=GUARD)
    assert answers == [True, False, True, False, True, True]
    together = threading.Barrier(4)
    sets = [[side, "--not", "refs/heads/main"], [first, "--not", "refs/heads/main"], [second], [side]]
    assert client.have_commits(ROCKETS, sets, seconds=GUARD) == [True, False, True, True]
    assert gitaly.calls.count("CommitIsAncestor") == len(pairs)


def test_more_questions_than_are_asked_at_once(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    pairs = [(commits[0], commits[1]), (commits[1], commits[0])] * 20
    assert client.are_ancestors(ROCKETS, pairs, seconds=GUARD) == [True, False] * 20
    assert client.are_ancestors(ROCKETS, [], seconds=GUARD) == []


def test_a_gitaly_that_misses_deadlines_is_left_alone(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    """Contract: decisions 23a. After the pause one question is asked, and its answer ends it."""
    gitaly.hang_seconds = 0.3
    for _ in range(admission.FAILURES):
        with pytest.raises(GitalyTooSlowError):
            client.server_info(seconds=0.05)
    with pytest.raises(GitalyAwayError):
        client.has_branches(ROCKETS, seconds=GUARD)
    assert "HasLocalBranches" not in gitaly.calls
    gitaly.hang_seconds = 0
    wait_until(lambda: not admission.breaker(gitaly.address).is_open, "the end of the pause")
    assert client.has_branches(ROCKETS, seconds=GUARD)
    assert client.has_branches(ROCKETS, seconds=GUARD)


def test_what_gitaly_refuses_is_an_answer(client: GitalyClient, gitaly: FakeGitaly, commits: list[str]) -> None:
    for _ in range(2 * admission.FAILURES):
        with pytest.raises(RepositoryNotFoundError):
            client.has_branches(replace(ROCKETS, relative_path="none.git"), seconds=GUARD)
    assert client.has_branches(ROCKETS, seconds=GUARD)


def test_callers_without_a_place_are_told_so(client: GitalyClient, gitaly: FakeGitaly, commits: list[str], settings: Settings) -> None:
    settings.WEB_THREADS = 2
    admission.forget()
    leave = threading.Event()
    gitaly.before = lambda name: leave.wait(GUARD)
    with ThreadPoolExecutor(1) as pool:
        inside = pool.submit(client.has_branches, ROCKETS, seconds=GUARD)
        wait_until(lambda: "HasLocalBranches" in gitaly.calls, "the first caller")
        with pytest.raises(GitalyBusyError):
            client.has_branches(ROCKETS, seconds=0.1)
        leave.set()
        assert inside.result(GUARD)
    assert client.has_branches(ROCKETS, seconds=GUARD)


def test_a_name_that_is_not_resolved_ends_with_the_deadline() -> None:
    """A name server that takes the question and never answers."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"dns://127.0.0.1:{silent.getsockname()[1]}/gitaly.example:8075"
        began = time.monotonic()
        with pytest.raises(GitalyUnavailableError):
            GitalyClient(StorageAddress("default", address)).server_info(seconds=1)
        assert time.monotonic() - began < 30
        assert silent.recv(512), "it was asked"
