"""A person with OpenSSH and git, sshd asking this service: from the key to the repository (contract: gitlab-shell 1.9, 5)."""

import getpass
import subprocess
from pathlib import Path

import pytest

from tests.live.ssh_server import SSHServer

pytestmark = [pytest.mark.live]


def test_a_bare_connection_is_greeted(sshd: SSHServer) -> None:
    """gitlab-shell 5 #104."""
    done = subprocess.run([*sshd.ssh("ann"), f"{getpass.getuser()}@127.0.0.1"], capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stdout) == (0, "Welcome to GitLab, @ann!\n")


@pytest.mark.parametrize("name", ["ann", "bob", "ci"])
@pytest.mark.parametrize("path", ["acme/rockets.git", "acme/rockets", "Acme/Rockets.git"])
def test_members_and_deploy_keys_clone(sshd: SSHServer, tmp_path: Path, name: str, path: str) -> None:
    done = sshd.git(name, "clone", "--quiet", sshd.address(path), str(tmp_path / "clone"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "clone" / "README").read_text() == "Rockets\n"


def test_a_developer_pushes_and_another_member_fetches_it(sshd: SSHServer, tmp_path: Path) -> None:
    assert sshd.git("ann", "clone", "--quiet", sshd.address("acme/rockets.git"), str(tmp_path / "ann")).returncode == 0
    (tmp_path / "ann" / "PLAN").write_text("Fly\n")
    assert sshd.git("ann", "add", "PLAN", cwd=tmp_path / "ann").returncode == 0
    assert sshd.git("ann", "commit", "--quiet", "-m", "Plan", cwd=tmp_path / "ann").returncode == 0
    pushed = sshd.git("ann", "push", "--quiet", "origin", "HEAD:topic", cwd=tmp_path / "ann")
    assert pushed.returncode == 0, pushed.stderr
    done = sshd.git("bob", "clone", "--quiet", "--branch", "topic", sshd.address("acme/rockets.git"), str(tmp_path / "bob"))
    assert (done.returncode, (tmp_path / "bob" / "PLAN").read_text()) == (0, "Fly\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("bob", "You are not allowed to push code to this project.", id="reporter"),
        pytest.param("ci", "This deploy key does not have write access to this project.", id="reading deploy key"),
    ],
)
def test_a_refused_push_says_why_and_changes_nothing(sshd: SSHServer, tmp_path: Path, name: str, message: str) -> None:
    work = tmp_path / "work"
    assert sshd.git(name, "clone", "--quiet", sshd.address("acme/rockets.git"), str(work)).returncode == 0
    pushed = sshd.git(name, "push", "origin", "HEAD:refs/heads/mine", cwd=work)
    assert pushed.returncode != 0
    assert f"remote: ERROR: {message}" in pushed.stderr
    assert "refs/heads/mine" not in sshd.git("ann", "ls-remote", sshd.address("acme/rockets.git")).stdout


def test_a_refused_clone_says_why_at_the_terminal(sshd: SSHServer, tmp_path: Path) -> None:
    """gitlab-shell 5 #107."""
    done = sshd.git("carol", "clone", sshd.address("acme/rockets.git"), str(tmp_path / "clone"))
    assert done.returncode != 0
    message = "The project you were looking for could not be found or you don't have permission to view it."
    assert f"remote: {'=' * 72}\nremote: \nremote: ERROR: {message}\n" in done.stderr


def test_an_expired_key_says_so(sshd: SSHServer, tmp_path: Path) -> None:
    done = sshd.git("dan_expired", "clone", sshd.address("acme/rockets.git"), str(tmp_path / "clone"))
    assert "remote: ERROR: Your SSH key has expired." in done.stderr


@pytest.mark.parametrize("name", ["unknown", "dan_signing"])
def test_unknown_and_signing_keys_do_not_open_the_connection(sshd: SSHServer, tmp_path: Path, name: str) -> None:
    done = sshd.git(name, "clone", sshd.address("acme/rockets.git"), str(tmp_path / "clone"))
    assert done.returncode != 0
    assert "Permission denied (publickey)" in done.stderr


@pytest.mark.parametrize("login", ["ann", "ann@example.com"])
def test_a_certificate_of_the_groups_authority_opens_the_group_and_nothing_else(sshd: SSHServer, tmp_path: Path, login: str) -> None:
    """shell-endpoints 4, gitlab-shell 2.3: the key itself is known to nobody; `ssh-keygen -s` has signed it for ann."""
    name = f"certified_{len(login)}"
    sshd.certify("authority", name, login)
    done = sshd.git(name, "clone", "--quiet", sshd.address("acme/rockets.git"), str(tmp_path / "clone"))
    assert done.returncode == 0, done.stderr + sshd.log.read_text()[-3000:]
    assert (tmp_path / "clone" / "README").read_text() == "Rockets\n"
    other = sshd.git(name, "clone", sshd.address("ann/notes.git"), str(tmp_path / "notes"))
    assert other.returncode != 0
    assert "remote: =" in other.stderr


@pytest.mark.parametrize(("authority", "login"), [("foreign_authority", "ann"), ("authority", "bob"), ("authority", "nobody")])
def test_other_certificates_open_nothing(sshd: SSHServer, tmp_path: Path, authority: str, login: str) -> None:
    """An unknown authority; a member whose account is not the group's; a user who does not exist."""
    name = f"refused_{authority}_{login}"
    sshd.certify(authority, name, login)
    done = sshd.git(name, "clone", sshd.address("acme/rockets.git"), str(tmp_path / "clone"))
    assert done.returncode != 0
    assert "Permission denied (publickey)" in done.stderr
