"""Repositories that exist and the default branch, with real git over OpenSSH and a Gitaly that makes them (contract: decisions 16c, 16d)."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from repositories.policy.repository_path import relative_path
from tests.gitaly_server import FakeGitaly, running
from tests.live import hook_client
from tests.live.service import Service
from tests.live.ssh_server import SSHServer

pytestmark = [pytest.mark.live]

numbers = itertools.count(300)


@pytest.fixture(scope="module")
def gitaly(sshd: SSHServer, service: Service) -> Iterator[FakeGitaly]:
    """A Gitaly over the directory that sshd's git works in, whose new repositories have hooks."""
    root = sshd.directory / "created"
    root.mkdir()
    (root / "default").symlink_to(sshd.directory / "repositories")
    with running(root, token="gitaly token") as server:
        server.on_create = lambda path, gl_repository: hook_client.install(path, sshd.url, service.shell_secret, gl_repository)
        yield server


@dataclass
class Team:
    """A project's people at work: ann is a maintainer, bob a developer."""

    service: Service
    sshd: SSHServer
    gitaly: FakeGitaly
    number: int
    directory: Path

    @property
    def path(self) -> str:
        return f"acme/made{self.number}"

    @property
    def repository(self) -> Path:
        return self.gitaly.path_of("default", relative_path(self.number, "project"))

    def storage(self, address: str) -> None:
        self.service.seed({"storages": [{"name": "default", "gitaly_address": address, "gitaly_token": "gitaly token"}]})

    def seed(self, **repository: Any) -> str:
        project = {"id": self.number, "path": self.path, "members": {"ann": "maintainer", "bob": "developer"}}
        return self.service.seed({"projects": [{**project, "repository": repository}]})

    def git(self, *arguments: str, cwd: Path | None = None, name: str = "ann") -> str:
        done = self.sshd.git(name, *arguments, cwd=cwd)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def work(self, *branches: str) -> Path:
        """A repository of ann's with a file on each of these branches."""
        directory = self.directory / "work"
        self.git("init", "--quiet", f"--initial-branch={branches[0]}", str(directory))
        (directory / "README").write_text("Made\n")
        self.git("add", "README", cwd=directory)
        self.git("commit", "--quiet", "-m", "Start", cwd=directory)
        for branch in branches[1:]:
            self.git("branch", branch, cwd=directory)
        self.git("remote", "add", "origin", self.sshd.address(f"{self.path}.git"), cwd=directory)
        return directory

    def cloned_branch(self, path: str = "") -> str:
        """The branch that a fresh clone checks out, with its file."""
        clone = self.directory / f"clone{len(list(self.directory.iterdir()))}"
        self.git("clone", "--quiet", self.sshd.address(f"{path or self.path}.git"), str(clone))
        assert (clone / "README").read_text() == "Made\n"
        return self.git("symbolic-ref", "--short", "HEAD", cwd=clone)

    def protected(self) -> list[str]:
        code = (
            "import json; from repositories.models import ProtectedBranch; "
            f"print(json.dumps(sorted(ProtectedBranch.objects.filter(project={self.number}).values_list('name', flat=True))))"
        )
        names: list[str] = json.loads(self.service.manage("shell", "-v0", "-c", code).strip().splitlines()[-1])
        return names


@pytest.fixture
def team(service: Service, sshd: SSHServer, gitaly: FakeGitaly, tmp_path: Path) -> Team:
    made = Team(service, sshd, gitaly, next(numbers), tmp_path)
    made.storage(gitaly.address)
    return made


def test_gitaly_connected_after_the_seed_ends_in_a_clone_that_works(team: Team) -> None:
    team.storage("unix:/nowhere/gitaly.socket")
    told = team.seed()
    assert (
        f"The repositories of {team.path} cannot be looked at: Gitaly is not available: there is no socket at /nowhere/gitaly.socket"
        in told
    )
    team.storage(team.gitaly.address)
    team.service.manage("create_repositories", "--project", team.path)
    assert "warning" not in team.git("ls-remote", team.sshd.address(f"{team.path}.git"))
    team.git("push", "--quiet", "origin", "main", cwd=team.work("main"))
    assert (team.cloned_branch(), team.protected()) == ("main", ["main"])


@pytest.mark.parametrize(
    ("branches", "default"),
    [
        pytest.param(["trunk"], "trunk", id="trunk"),
        pytest.param(["master", "develop"], "master", id="all branches of an older repository"),
    ],
)
def test_first_push_decides_what_is_checked_out_and_protected(team: Team, branches: list[str], default: str) -> None:
    assert "repositories: 1 created" in team.seed(exists=True, empty=False)
    work = team.work(*branches)
    team.git("push", "--quiet", "--all", "origin", cwd=work)
    assert (team.cloned_branch(), team.protected()) == (default, [default])
    team.git("checkout", "--quiet", default, cwd=work)
    team.git("commit", "--quiet", "--allow-empty", "-m", "more", cwd=work)
    denied = team.sshd.git("bob", "push", "origin", default, cwd=work)
    assert "You are not allowed to push code to protected branches on this project." in denied.stderr


def test_first_report_lost_leaves_the_default_branch_protected(team: Team) -> None:
    """The next push of another branch brings the project into step with Gitaly."""
    team.seed()
    work = team.work("main")
    report = team.repository / "hooks" / "post-receive"
    report.rename(report.with_suffix(".away"))
    team.git("push", "--quiet", "origin", "main", cwd=work)
    assert team.protected() == []
    report.with_suffix(".away").rename(report)
    team.git("push", "--quiet", "origin", "main:topic", cwd=work)
    assert (team.cloned_branch(), team.protected()) == ("main", ["main"])


def test_repository_that_existed_before(team: Team) -> None:
    team.git("init", "--quiet", "--bare", "--initial-branch=main", str(team.repository))
    work = team.work("develop", "master")
    team.git("push", "--quiet", "--all", str(team.repository), cwd=work)
    hook_client.install(team.repository, team.sshd.url, team.service.shell_secret, f"project-{team.number}")
    team.seed(empty=True)
    assert (team.cloned_branch(), team.protected()) == ("master", ["master"])


def test_set_default_branch_changes_what_is_checked_out_and_protected(team: Team) -> None:
    team.seed()
    team.git("push", "--quiet", "--all", "origin", cwd=team.work("main", "next"))
    team.service.manage("set_default_branch", team.path, "next")
    assert (team.cloned_branch(), team.protected()) == ("next", ["next"])


def test_created_with_a_default_branch(team: Team) -> None:
    made = json.loads(team.service.manage("create_project", f"acme/x{team.number}", "--default-branch", "next", "--json"))
    team.service.manage("add_member", f"acme/x{team.number}", "ann", "maintainer")
    work = team.work("main", "next")
    team.git("remote", "set-url", "origin", team.sshd.address(f"acme/x{team.number}.git"), cwd=work)
    team.git("push", "--quiet", "--all", "origin", cwd=work)
    team.number = made["id"]
    assert (team.cloned_branch(made["path"]), team.protected()) == ("next", ["next"])


def test_first_push_to_a_wiki_creates_it(team: Team) -> None:
    team.seed()
    work = team.work("main")
    team.git("push", "--quiet", team.sshd.address(f"{team.path}.wiki.git"), "main", cwd=work)
    assert team.cloned_branch(f"{team.path}.wiki") == "main"
