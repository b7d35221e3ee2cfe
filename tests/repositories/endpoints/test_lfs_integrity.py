"""POST /allowed holds a push against the LFS objects that it names, as Gitaly finds them (contract: git-http 7.1, 8.10)."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import DjangoAssertNumQueries

from accounts.models import User
from internal_api.models import InstanceSettings
from repositories.models import LFSObject, LFSObjectLink, Project
from repositories.policy.repository_path import relative_path
from repositories.services.access import set_member
from tests.factories import ProjectFactory, SSHKeyFactory
from tests.gitaly_server import FakeGitaly

MISSING = 'LFS objects are missing. Ensure LFS is properly set up or try a manual "git lfs push --all".'
OIDS = ["a" * 64, "b" * 64]
ZEROS = "0" * 40
QUARANTINE = "objects/tmp_objdir-incoming-X"


def pointer(oid: str, more: str = "") -> bytes:
    return f"version https://git-lfs.github.com/spec/v1\n{more}oid sha256:{oid}\nsize 12345\n".encode()


class Repository:
    """A bare repository in which objects are made, in a quarantine or not."""

    def __init__(self, path: Path) -> None:
        self.path = path
        (path / QUARANTINE).mkdir(parents=True)

    def git(self, *arguments: str, data: bytes = b"", quarantined: bool = True) -> str:
        environment = {**os.environ, **{f"GIT_{who}_{what}": "a@b" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}}
        if quarantined:
            environment |= {
                "GIT_OBJECT_DIRECTORY": str(self.path / QUARANTINE),
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(self.path / "objects"),
            }
        command = ["git", "--git-dir", str(self.path), *arguments]
        return subprocess.run(command, input=data, check=True, capture_output=True, env=environment).stdout.decode().strip()

    def commit(self, *files: bytes, quarantined: bool = True) -> str:
        """A commit with these files."""
        blobs = [self.git("hash-object", "-w", "--stdin", data=data, quarantined=quarantined) for data in files]
        tree = "".join(f"100644 blob {blob}\tfile{number}\n" for number, blob in enumerate(blobs)).encode()
        name = self.git("mktree", data=tree, quarantined=quarantined)
        return self.git("commit-tree", name, "-m", "commit", quarantined=quarantined)


@pytest.fixture
def repository(gitaly: FakeGitaly, rockets: Project, ann: User) -> Repository:
    set_member(rockets, ann, 30)
    SSHKeyFactory.create(id=11, user=ann)
    return Repository(gitaly.make(relative_path(rockets.pk, "project")))


def uploaded(project: Project, *oids: str) -> None:
    for oid in oids:
        LFSObjectLink.objects.create(project=project, lfs_object=LFSObject.objects.create(oid=oid, size=12345))
    Project.objects.filter(pk=project.pk).update(lfs_size=12345 * len(oids))


def always() -> None:
    row = InstanceSettings.stored()
    row.lfs_integrity_check = "always"
    row.save()


def push(shell: Client, project: Project, newrev: str, *, oldrev: str = ZEROS, quarantined: bool = True) -> Any:
    asked = {
        "key_id": 11,
        "gl_repository": f"project-{project.pk}",
        "action": "git-receive-pack",
        "protocol": "ssh",
        "changes": f"{oldrev} {newrev} refs/heads/x\n",
    }
    if quarantined:
        relative = {"GIT_OBJECT_DIRECTORY_RELATIVE": QUARANTINE, "GIT_ALTERNATE_OBJECT_DIRECTORIES_RELATIVE": ["objects"]}
        asked["env"] = json.dumps(relative)
    return shell.post("/api/v4/internal/allowed", asked, content_type="application/json")


@pytest.mark.parametrize("quarantined", [True, False])
def test_push_without_its_objects_is_refused(
    shell: Client, repository: Repository, gitaly: FakeGitaly, rockets: Project, quarantined: bool
) -> None:
    """Contract: git-http 194."""
    always()
    commit = repository.commit(b"text", pointer(OIDS[0]), quarantined=quarantined)
    answer = push(shell, rockets, commit, quarantined=quarantined)
    assert (answer.status_code, answer.json()["message"]) == (401, MISSING)
    assert gitaly.calls == ["ListAllLFSPointers" if quarantined else "ListLFSPointers"]
    uploaded(rockets, OIDS[0])
    assert push(shell, rockets, commit, quarantined=quarantined).status_code == 200


def test_projects_that_have_objects_are_held_against_them(shell: Client, repository: Repository, rockets: Project) -> None:
    """Contract: git-http 194, as the setting is by default; every object counts."""
    commit = repository.commit(pointer(OIDS[0]), pointer(OIDS[1]))
    assert push(shell, rockets, commit).status_code == 200  # has no LFS objects here
    uploaded(rockets, OIDS[0])
    assert push(shell, rockets, commit).json()["message"] == MISSING


def test_object_of_another_project_is_missing(shell: Client, repository: Repository, rockets: Project) -> None:
    always()
    uploaded(ProjectFactory.create(path="boats", namespace=rockets.namespace), OIDS[0])
    assert push(shell, rockets, repository.commit(pointer(OIDS[0]))).status_code == 401


def test_one_content_in_two_pointers_is_one_object(shell: Client, repository: Repository, rockets: Project) -> None:
    """Contract: git-http 196."""
    uploaded(rockets, OIDS[0])
    commit = repository.commit(pointer(OIDS[0]), pointer(OIDS[0], more="ext-0-foo sha256:" + "c" * 64 + "\n"))
    assert push(shell, rockets, commit).status_code == 200


def test_objects_that_are_there_already_are_not_looked_at(shell: Client, repository: Repository, rockets: Project) -> None:
    uploaded(rockets, OIDS[0])
    old = repository.commit(pointer(OIDS[1]), quarantined=False)
    repository.git("update-ref", "refs/heads/x", old, quarantined=False)
    assert push(shell, rockets, repository.commit(b"more"), oldrev=old).status_code == 200


@pytest.mark.parametrize("case", ["disabled", "deletion", "pull"])
def test_gitaly_is_not_asked_about_others(shell: Client, repository: Repository, gitaly: FakeGitaly, rockets: Project, case: str) -> None:
    """Contract: git-http 197."""
    always()
    uploaded(rockets, OIDS[0])
    commit = repository.commit(pointer(OIDS[1]), quarantined=False)
    repository.git("update-ref", "refs/heads/x", commit, quarantined=False)
    if case == "disabled":
        Project.objects.update(lfs_enabled=False)
        assert push(shell, rockets, commit).status_code == 200
    elif case == "deletion":
        assert push(shell, rockets, ZEROS, oldrev=commit).status_code == 200
    else:
        asked = {"key_id": 11, "gl_repository": f"project-{rockets.pk}", "action": "git-upload-pack", "protocol": "ssh", "changes": "_any"}
        assert shell.post("/api/v4/internal/allowed", asked, content_type="application/json").status_code == 200
    assert not {"ListLFSPointers", "ListAllLFSPointers"} & set(gitaly.calls)


def test_gitaly_that_is_away_refuses_the_push(shell: Client, repository: Repository, gitaly: FakeGitaly, rockets: Project) -> None:
    always()
    commit = repository.commit(b"text")
    gitaly.unavailable = 5
    answer = push(shell, rockets, commit)
    assert answer.status_code == 503
    assert "cannot be checked at the moment" in answer.json()["message"]


def test_check_costs_one_query(
    shell: Client, repository: Repository, rockets: Project, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    uploaded(rockets, *OIDS)
    commit = repository.commit(pointer(OIDS[0]), pointer(OIDS[1]))
    push(shell, rockets, commit)
    with django_assert_max_num_queries(5):
        assert push(shell, rockets, commit).status_code == 200
