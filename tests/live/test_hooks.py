"""A real push through sshd and git, with hooks that ask as Gitaly's do: before the refs move, and after (contract: gitaly 1.7 and 2)."""

import hashlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gitaly_server import FakeGitaly, running
from tests.live import hook_client
from tests.live.service import Service
from tests.live.ssh_server import SSHServer

pytestmark = [pytest.mark.live]

numbers = itertools.count(70)


@pytest.fixture(scope="module")
def gitaly(sshd: SSHServer) -> Iterator[FakeGitaly]:
    """A Gitaly over the very directory that sshd's git works in."""
    root = sshd.directory / "storages"
    root.mkdir()
    (root / "default").symlink_to(sshd.directory / "repositories")
    with running(root, token="gitaly token") as server:
        yield server


@pytest.fixture
def address(service: Service, sshd: SSHServer, gitaly: FakeGitaly) -> str:
    """Where an empty repository with hooks is, of a project that knows its Gitaly; one for each test."""
    number = next(numbers)
    service.seed(
        {
            "storages": [{"name": "default", "gitaly_address": gitaly.address, "gitaly_token": "gitaly token"}],
            "projects": [
                {"id": number, "path": f"acme/engines{number}", "repository": {"empty": True}, "members": {"ann": "maintainer", "bob": "developer"},
                 "protected_tags": [{"name": "v*", "create": ["developer"]}]}
            ],
        }
    )  # fmt: skip
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    path = gitaly.make(f"@hashed/{digest[:2]}/{digest[2:4]}/{digest}.git")
    (path / "config").write_text((path / "config").read_text() + "[receive]\n\tadvertisePushOptions = true\n")
    hook_client.install(path, sshd.url, service.shell_secret, f"project-{number}")
    return sshd.address(f"acme/engines{number}.git")


@pytest.fixture
def work(sshd: SSHServer, address: str, tmp_path: Path) -> Path:
    """A clone of ann's with a commit that is not pushed yet."""
    directory = tmp_path / "work"
    run(sshd, "clone", "--quiet", address, str(directory))
    run(sshd, "config", "commit.gpgsign", "false", cwd=directory)
    run(sshd, "checkout", "--quiet", "-B", "main", cwd=directory)
    commit(sshd, directory)
    return directory


def run(sshd: SSHServer, *arguments: str, cwd: Path | None = None) -> str:
    done = sshd.git("ann", *arguments, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commit(sshd: SSHServer, directory: Path) -> None:
    run(sshd, "commit", "--quiet", "--allow-empty", "-m", "more", cwd=directory)


def refs(sshd: SSHServer, work: Path) -> str:
    return run(sshd, "ls-remote", "origin", cwd=work)


def test_a_push_from_the_first_to_the_refused_one(sshd: SSHServer, service: Service, work: Path, gitaly: FakeGitaly) -> None:
    """One story, since each push rests on the ones before."""
    refused = sshd.git("bob", "push", "origin", "main", cwd=work)
    assert "A default branch (e.g. main) does not yet exist for acme/engines" in refused.stderr
    assert refs(sshd, work) == ""

    run(sshd, "push", "origin", "main", cwd=work)
    assert "refs/heads/main" in refs(sshd, work)

    gitaly.calls.clear()
    commit(sshd, work)
    run(sshd, "push", "origin", "main", cwd=work)  # a fast-forward, whose commit was in quarantine when the question was asked
    assert gitaly.calls == ["CheckObjectsExist", "CommitIsAncestor"]

    commit(sshd, work)
    denied = sshd.git("bob", "push", "origin", "main", cwd=work)
    assert "remote: GitLab: You are not allowed to push code to protected branches on this project." in denied.stderr

    run(sshd, "reset", "--quiet", "--hard", "HEAD~2", cwd=work)
    commit(sshd, work)
    forced = sshd.git("ann", "push", "--force", "origin", "main", cwd=work)
    assert "remote: GitLab: You are not allowed to force push code to a protected branch on this project." in forced.stderr

    deleted = sshd.git("ann", "push", "origin", ":main", cwd=work)
    assert deleted.returncode != 0
    assert "refs/heads/main" in refs(sshd, work)


def test_a_new_branch_prints_the_invitation_and_takes_options(sshd: SSHServer, service: Service, work: Path) -> None:
    sshd.git("ann", "push", "origin", "main", cwd=work)
    done = sshd.git("bob", "push", "-o", "ci.skip", "-o", "mr.create", "origin", "HEAD:refs/heads/topic", cwd=work)
    assert done.returncode == 0, done.stderr
    assert "visit:" not in done.stderr
    text = "Error encountered with push options 'ci.skip' 'mr.create': Merge requests are not available on this server"
    assert text in " ".join(done.stderr.replace("remote:", "").split())
    service.seed({"instance": {"web_url": "https://web.example.com"}})
    try:
        done = sshd.git("bob", "push", "origin", "HEAD:refs/heads/another", cwd=work)
    finally:
        service.seed({"instance": {"web_url": None}})
    assert "remote: To create a merge request for another, visit:" in done.stderr
    assert "https://web.example.com/acme/engines" in done.stderr


def test_a_tag_is_made_and_cannot_be_moved(sshd: SSHServer, work: Path) -> None:
    sshd.git("ann", "push", "origin", "main", cwd=work)
    assert sshd.git("bob", "push", "origin", "HEAD:refs/tags/v1.0.0", cwd=work).returncode == 0
    commit(sshd, work)
    moved = sshd.git("ann", "push", "--force", "origin", "HEAD:refs/tags/v1.0.0", cwd=work)
    assert "remote: GitLab: Protected tags cannot be updated." in moved.stderr


def test_a_thousand_refs_in_one_push(sshd: SSHServer, service: Service, work: Path) -> None:
    run(sshd, "push", "origin", "main", cwd=work)
    head = run(sshd, "rev-parse", "HEAD", cwd=work).strip()
    (work / ".git" / "packed-refs").write_text("".join(f"{head} refs/many/{number:04}\n" for number in range(1000)))
    done = sshd.git("bob", "push", "--quiet", "origin", "refs/many/*:refs/heads/many/*", cwd=work)
    assert done.returncode == 0, done.stderr[-2000:]
    assert refs(sshd, work).count("refs/heads/many/") == 1000
    event = service.manage("shell", "-c", "from repositories.models import PushEvent; print(len(PushEvent.objects.latest('pk').changes))")
    assert event.strip().endswith("1000")
