"""The stand-ins for gitlab-sshd and Gitaly behave as the real ones were recorded."""

import hashlib
import itertools
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.gitaly_server import FakeGitaly, running
from tests.live import git_client, hook_client
from tests.live.proxy import PREFIX, Exchange, Proxy
from tests.live.service import Service
from tests.live.ssh_server import SSHServer
from tests.recordings.exchanges import recorded_shapes

pytestmark = [pytest.mark.live]

numbers = itertools.count(170)
AWAY = "The database is not available. Try again in a moment."
SHELL, GITALY = "GitLab-Shell", "gitaly/"


@pytest.fixture(scope="module")
def gitaly(sshd: SSHServer) -> Iterator[FakeGitaly]:
    """A Gitaly over the directory that sshd's git works in."""
    root = sshd.directory / "stand_ins"
    root.mkdir()
    (root / "default").symlink_to(sshd.directory / "repositories")
    with running(root) as server:
        yield server


@pytest.fixture
def work(service: Service, sshd: SSHServer, gitaly: FakeGitaly, tmp_path: Path) -> Path:
    """A work tree of ann's with one commit, whose origin is an empty repository with hooks."""
    number = next(numbers)
    storages = [{"name": "default", "gitaly_address": gitaly.address, "gitaly_token": None}]
    members = {"ann": "maintainer"}
    project = {
        "id": number,
        "path": f"acme/engines{number}",
        "repository": {"empty": True},
        "members": members,
    }
    service.seed({"storages": storages, "projects": [project]})
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    path = gitaly.path_of("default", f"@hashed/{digest[:2]}/{digest[2:4]}/{digest}.git")
    if not path.exists():
        gitaly.make(f"@hashed/{digest[:2]}/{digest[2:4]}/{digest}.git")
    with (path / "config").open("a") as config:
        config.write("[receive]\n\tadvertisePushOptions = true\n")
    hook_client.install(path, sshd.url, service.shell_secret, f"project-{number}")
    for arguments in (
        ["init", "--quiet", "--initial-branch=main", str(tmp_path)],
        ["-C", str(tmp_path), "commit", "--quiet", "--allow-empty", "-m", "first"],
        ["-C", str(tmp_path), "remote", "add", "origin", sshd.address(f"acme/engines{number}.git")],
    ):
        done = sshd.git("ann", *arguments)
        assert done.returncode == 0, done.stderr
    return tmp_path


def push(sshd: SSHServer, work: Path, *refs: str, options: list[str] | None = None) -> str:
    """Push as ann and return what she reads."""
    done = sshd.git("ann", "push", "origin", *refs, cwd=work, options=options or [])
    assert done.returncode == 0, done.stderr
    return done.stderr


def request_ids(exchanges: list[Exchange]) -> set[str]:
    return {exchange.header("X-Request-Id") for exchange in exchanges}


def test_all_calls_of_a_shared_connection_have_one_request_id(sshd: SSHServer, work: Path, proxy: Proxy) -> None:
    """shell-control-master: three pushes, the first and the third report byte for byte alike."""
    with sshd.shared_connection("ann") as options:
        for refs in ("main", "main:refs/heads/topic", ":refs/heads/topic", "main:refs/heads/topic"):
            push(sshd, work, refs, options=options)
    assert len(proxy.sent("authorized_keys")) == 2  # sshd looks twice at the key of a connection
    reports = proxy.sent("post_receive")
    assert len(reports) == 4
    assert reports[1].body == reports[3].body
    assert len(request_ids(proxy.exchanges)) == 1
    assert len(proxy.sent("allowed")) == 8


def test_each_connection_has_a_request_id_of_its_own(sshd: SSHServer, work: Path, proxy: Proxy) -> None:
    push(sshd, work, "main")
    push(sshd, work, "main:refs/heads/topic")
    keys = proxy.sent("authorized_keys")
    assert len(keys) == 4
    assert len(request_ids(proxy.exchanges)) == 2
    for endpoint in ("authorized_keys", "allowed", "pre_receive", "post_receive"):
        assert request_ids(proxy.sent(endpoint)) == request_ids(keys)


def test_gitaly_does_not_repeat_a_report_that_is_lost(sshd: SSHServer, work: Path, proxy: Proxy) -> None:
    proxy.swallow("post_receive")
    read = push(sshd, work, "main")
    text = "GitLab: http post to gitlab api /post_receive endpoint: Internal API unreachable"
    assert f"remote: {text}" in read
    assert [exchange.status for exchange in proxy.sent("post_receive")] == [0]
    proxy.lift()
    assert "refs/heads/main" in sshd.git("ann", "ls-remote", "origin", cwd=work).stdout


@pytest.mark.parametrize(
    ("endpoint", "text"),
    [
        ("allowed", f"GitLab: {AWAY}"),
        (
            "pre_receive",
            f"calling pre_receive endpoint: http post to gitlab api /pre_receive endpoint: {AWAY}",
        ),
    ],
)
def test_gitaly_asks_once_and_refuses(sshd: SSHServer, work: Path, proxy: Proxy, endpoint: str, text: str) -> None:
    """shell-503-allowed-gitaly, shell-503-pre-receive."""
    proxy.answer(endpoint, 503, retry_after="1", agent=GITALY)
    done = sshd.git("ann", "push", "origin", "main", cwd=work)
    assert done.returncode == 1
    assert f"remote: {text}" in done.stderr
    assert "! [remote rejected] main -> main (pre-receive hook declined)" in done.stderr
    asked = [one for one in proxy.sent(endpoint) if one.header("User-Agent").startswith(GITALY)]
    assert len(asked) == 1


def test_gitaly_tells_a_report_that_failed_and_the_push_stays(sshd: SSHServer, work: Path, proxy: Proxy) -> None:
    """shell-503-post-receive."""
    proxy.answer("post_receive", 503, retry_after="1")
    text = f"GitLab: http post to gitlab api /post_receive endpoint: {AWAY}"
    assert f"remote: {text}" in push(sshd, work, "main")
    assert len(proxy.sent("post_receive")) == 1


def test_gitlab_sshd_asks_the_same_again_after_a_503(sshd: SSHServer, work: Path, proxy: Proxy) -> None:
    """shell-503-allowed-shell-once."""
    proxy.answer("allowed", 503, retry_after="1", times=1, agent=SHELL)
    push(sshd, work, "main")
    first, second = (one for one in proxy.sent("allowed") if one.header("User-Agent") == SHELL)
    assert (first.status, second.status) == (503, 200)
    assert (first.headers, first.body) == (second.headers, second.body)


def test_gitlab_sshd_gives_up_after_three_attempts(sshd: SSHServer, work: Path, proxy: Proxy) -> None:
    """shell-503-allowed-shell."""
    proxy.answer("allowed", 503, retry_after="0", agent=SHELL)
    done = sshd.git("ann", "push", "origin", "main", cwd=work)
    assert done.returncode == 128
    assert "remote: ERROR: Internal API unreachable" in done.stderr
    assert [exchange.status for exchange in proxy.sent("allowed")] == [503] * 3


def test_a_key_that_cannot_be_looked_up_is_refused(sshd: SSHServer, work: Path, proxy: Proxy) -> None:
    """shell-503-authorized-keys-openssh."""
    proxy.answer("authorized_keys", 503, retry_after="0")
    done = sshd.git("ann", "ls-remote", "origin", cwd=work)
    assert done.returncode == 128
    assert "Permission denied (publickey)" in done.stderr
    assert [exchange.status for exchange in proxy.sent("authorized_keys")] == [503] * 3


def test_a_greeting_that_fails_says_why(sshd: SSHServer, proxy: Proxy) -> None:
    """shell-503-discover."""
    proxy.answer("discover", 503, retry_after="0")
    command = [*sshd.ssh("ann"), sshd.address("").removeprefix("ssh://").partition(":")[0]]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 1
    assert "remote: ERROR: Failed to get username: Internal API unreachable" in done.stderr
    assert len(proxy.sent("discover")) == 3


PLAYED_BY_NOBODY = {
    "check",
    "lfs_authenticate",
    "personal_access_token",
    "two_factor_manual_otp_check",
    "two_factor_push_otp_check",
    "two_factor_recovery_codes",
}
"""Recorded endpoints that no stand-in calls: the tests of each endpoint do it without SSH."""


def test_a_stand_in_plays_every_other_recorded_call(service: Service, sshd: SSHServer, work: Path, proxy: Proxy, tmp_path: Path) -> None:
    """What they send is compared by the proxy: headers and keys of all, in order."""
    login = [sshd.address("").removeprefix("ssh://").partition(":")[0]]
    subprocess.run([*sshd.ssh("ann"), *login], check=True, timeout=300)
    origin = sshd.git("ann", "remote", "get-url", "origin", cwd=work).stdout.strip()
    sshd.certify("authority", "certified_for_all", "ann")
    push(sshd, work, "main")
    push(sshd, work, "main:refs/heads/topic")
    done = sshd.git("certified_for_all", "push", "origin", "main:refs/heads/mine", cwd=work)
    assert done.returncode == 0, done.stderr
    service.seed({"instance": {"log_git_audit_events": True}})
    try:
        push(sshd, work, "-o", "ci.skip", ":refs/heads/topic")
        clone = sshd.git("ann", "clone", "--quiet", origin, str(tmp_path / "clone"))
        assert clone.returncode == 0, clone.stderr
    finally:
        service.seed({"instance": {"log_git_audit_events": False}})
    recorded = {shape for shape in recorded_shapes() if not shape.agent.startswith("gitlab-kas")}
    missing = {shape.kind for shape in recorded} - {one.shape.kind for one in proxy.exchanges}
    assert {path.removeprefix(PREFIX) for _, _, path in missing} == PLAYED_BY_NOBODY
    assert {one.status for one in proxy.sent("allowed")} == {200}


@pytest.mark.parametrize("agent", [SHELL, "gitaly/18.9.0-rc4", "gitlab-kas/v0.0.0/00000000"])
def test_a_request_with_other_names_is_not_alike(agent: str) -> None:
    """The comparison itself: one header or key more, less or elsewhere is seen."""
    for one in (shape for shape in recorded_shapes() if shape.agent == agent):
        for names in (one.headers[:-1], (*one.headers, "Accept-Language"), one.headers[::-1]):
            assert one._replace(headers=names) not in recorded_shapes()
        assert one._replace(keys=(*one.keys, "other")) not in recorded_shapes()


@pytest.mark.parametrize(
    ("status", "retry_after", "waits"),
    [(503, "1", [1, 1]), (503, "5", [5, 5]), (429, "60", [60, 60]), (503, "", [1, 2]), (0, "", [1, 2]), (501, "5", [])],
)
def test_gitlab_sshd_waits_as_long_as_it_is_told(
    service: Service, proxy: Proxy, monkeypatch: pytest.MonkeyPatch, status: int, retry_after: str, waits: list[float]
) -> None:
    """shell-503-*, shell-rate-limited; contract: gitlab-shell 1.5."""
    slept: list[float] = []
    monkeypatch.setattr(git_client, "time", SimpleNamespace(sleep=slept.append, time=time.time))
    proxy.answer("discover", status, retry_after=retry_after)
    client = git_client.Client(proxy.url, str(service.shell_secret), "waiting")
    try:
        answered, _ = git_client.ask(client, "discover?key_id=11")
    except git_client.UnreachableError:
        answered = 0
    assert slept == waits
    assert answered == (501 if status == 501 else 0)
    assert len(proxy.sent("discover")) == len(waits) + 1
