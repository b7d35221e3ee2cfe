"""A Gitaly with a repository in which tests make branches."""

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from repositories.models import Project, Storage
from repositories.policy.repository_path import relative_path
from tests.gitaly_server import FakeGitaly, running

EMPTY_TREE = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"


@dataclass
class BareRepository:
    """A project's repository on the stand-in's disk."""

    path: Path

    def git(self, *arguments: str) -> str:
        identity = {f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        command = ["git", "--git-dir", str(self.path), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **identity})
        return done.stdout.strip()

    def branches(self, *names: str) -> str:
        """Make branches that all stand at one new commit, which is returned."""
        self.git("hash-object", "-t", "tree", "-w", "/dev/null")
        commit = self.git("commit-tree", EMPTY_TREE, "-m", "commit")
        for name in names:
            self.git("update-ref", f"refs/heads/{name}", commit)
        return commit

    @property
    def head(self) -> str:
        return self.git("symbolic-ref", "HEAD")


@pytest.fixture
def gitaly(tmp_path: Path, db: None) -> Iterator[FakeGitaly]:
    """The Gitaly of the storage called default."""
    with running(tmp_path / "storages", token="gitaly token") as server:
        values = {"gitaly_address": server.address, "gitaly_token": "gitaly token"}
        Storage.objects.update_or_create(name="default", defaults=values)
        yield server


@pytest.fixture
def repository(gitaly: FakeGitaly, rockets: Project) -> BareRepository:
    """The project's repository, which has no branch yet, as its row says."""
    Project.objects.filter(pk=rockets.pk).update(empty=True)
    rockets.refresh_from_db()
    return BareRepository(gitaly.make(relative_path(rockets.pk, "project")))
